"""One direction of travel: the import contracts of setup.cfg hold, and nobody builds on what a story answers outside."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
EDGES = {"pages", "api", "cli", "jobs", "mails"}
GATHERING = {"app", "cli", "mail_kinds", "mailed_links", "workers"}
# After a right code the page of an invitation gives the browser its new id, as a sign-up does.
SHARED = {("identity.invitations.pages.invitation", "identity.sign_up.pages.browser")}
# The folders below identity/ that are no story and may import Flask.
NO_STORIES = {"cli", "command", "migrations", "web"}
FILES = {
    "__init__",
    "app",
    "mail_kinds",
    "mailed_links",
    "network_settings",
    "networks",
    "problems",
}
FILES |= {"services", "settings", "tables"}
FILES |= {
    "checked_values",
    "client_links",
    "database_urls",
    "env_files",
    "hosts",
    "setting_sources",
    "sso_settings",
    "settings_findings",
    "settings_shown",
}
# Those that call others for everybody, and the doctor who looks whether they answer.
CALLING = {"core", "health", "homeservers", "mail"}
NETWORK = {"asyncio", "celery", "http.client", "http.server", "kombu", "limits.storage", "redis"}
NETWORK |= {"ftplib", "imaplib", "poplib", "ssl", "xmlrpc.client"}
NETWORK |= {"dns", "requests", "smtplib", "socket", "socketserver", "urllib.request", "urllib3"}


def named_in(contract: str) -> set[str]:
    """The folders below identity/ that are sources of a contract in setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    modules = config[f"importlinter:contract:{contract}"]["source_modules"].split()
    return {module.removeprefix("identity.") for module in modules}


def test_the_import_contracts_hold():
    checker = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [checker, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_story_is_held_by_the_contracts():
    stories = {path.parent.name for path in ROOT.glob("identity/*/__init__.py")} - NO_STORIES
    # A story in one file would be outside: these are none.
    assert {path.stem for path in ROOT.glob("identity/*.py")} == FILES
    assert stories - named_in("below-views") == set()
    assert stories - named_in("no-network") == CALLING


def test_few_modules_reach_the_network_themselves():
    found = set()
    for path in (path for top in ("identity", "workers") for path in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            else:
                continue
            if NETWORK & (names | {name.partition(".")[0] for name in names}):
                found.add(str(path.relative_to(ROOT)))
    assert found == {
        "identity/command/listening.py",
        "identity/command/opening.py",
        "identity/command/web_server.py",
        "identity/core/deadlines.py",
        "identity/core/distinct_counts.py",
        "identity/core/dns_client.py",
        "identity/core/http_client.py",
        "identity/core/rate_limits.py",
        "identity/core/redis_probe.py",
        "identity/core/watched_http.py",
        "identity/health/heartbeat.py",
        "identity/mail/relay.py",
        "identity/mail/smtp_session.py",
        "identity/web/asgi.py",
        "workers/celery_app.py",
        "workers/file_broker.py",
        "workers/metrics_listener.py",
        "workers/scheduler.py",
    }


@pytest.fixture(scope="module")
def imports() -> list[tuple[str, str]]:
    graph = grimp.build_graph("identity", "domain_rules", "workers")
    return [
        (module, imported)
        for module in sorted(graph.modules)
        for imported in graph.find_modules_directly_imported_by(module)
    ]


def story_of(module: str) -> str:
    top, _, rest = f"{module}.".partition(".")
    return rest.partition(".")[0] if top == "identity" else top


def edge_of(module: str) -> tuple[str, ...]:
    """The story and the edge: ("identity", "sign_up", "pages"), whatever stands below."""
    return tuple(module.split(".")[:3])


def is_edge(module: str) -> bool:
    return module.startswith("identity.") and bool(EDGES & {*edge_of(module)[2:]})


def test_models_and_services_ask_no_edge_of_any_story(imports):
    assert not [
        (module, imported)
        for module, imported in imports
        if is_edge(imported) and not is_edge(module) and story_of(module) not in GATHERING
    ]


def test_an_edge_builds_on_no_other_edge(imports):
    found = {
        (module, imported)
        for module, imported in imports
        if is_edge(module) and is_edge(imported) and edge_of(module) != edge_of(imported)
    }
    assert found == SHARED


def test_no_module_is_part_of_a_circle(imports):
    """Taken away one after the other, modules that import nothing that is left: nothing stays."""
    left: dict[str, set[str]] = {}
    for module, imported in imports:
        left.setdefault(module, set()).add(imported)
        left.setdefault(imported, set())
    while done := {module for module, asked in left.items() if not asked & left.keys() - {module}}:
        left = {module: asked for module, asked in left.items() if module not in done}
    assert not left


def test_the_rules_can_be_imported_without_the_service():
    """What a homeserver's process would load, seen from a fresh interpreter."""
    probe = "import sys, domain_rules.rules, domain_rules.addresses; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "identity",
        "workers",
        "flask",
        "sqlalchemy",
        "celery",
        "redis",
        "requests",
        "pydantic",
    }
