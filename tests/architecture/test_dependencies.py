"""docs/dependencies.md has a row for whatever is installed, and for nothing else; what is imported is declared."""

import ast
import configparser
import json
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/dependencies.md"
ROW = re.compile(r"^\| `([^`]+)` \|(.+)\|$", re.MULTILINE)


def setup_cfg(section: str, option: str) -> str:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config[section][option]


def read_all(*paths: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def named(requirements: str) -> list[str]:
    """The names of requirements, one on each line, without versions and extras."""
    lines = (line.strip() for line in requirements.splitlines())
    return [re.split(r"[\s\[<>=!~;]", line)[0] for line in lines if line and line[0] != "#"]


def packages_of_debian() -> list[str]:
    """Each has a line in the Makefile that says how it is recognised."""
    return re.findall(r"^FOUND_([a-z0-9-]+) =", read_all(ROOT / "Makefile"), re.MULTILINE)


def packages_of_npm() -> list[str]:
    package = json.loads(read_all(ROOT / "examples/demo/messenger/package.json"))
    return [*package["dependencies"], *package["devDependencies"]]


INSTALLED = {
    "install_requires": named(setup_cfg("options", "install_requires")),
    "service": named(setup_cfg("options.extras_require", "service")),
    "passkeys": named(setup_cfg("options.extras_require", "passkeys")),
    "test": named(setup_cfg("options.extras_require", "test")),
    "requirements/*.in": named(read_all(*(ROOT / "requirements").glob("*.in"))),
    "npm": packages_of_npm(),
    "Debian": packages_of_debian(),
}


def rows(section: str) -> list[tuple[str, str]]:
    """The table below the heading `## section: …`: names, and what is said of each."""
    text = PAGE.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {section}:")
    assert found, f"no section {section}"
    return ROW.findall(rest.partition("\n## ")[0])


@pytest.mark.parametrize("section", INSTALLED)
def test_each_section_has_a_row_for_each_package_and_no_other(section):
    assert len(INSTALLED[section]) > 0
    assert sorted(name for name, _ in rows(section)) == sorted(INSTALLED[section])


@pytest.mark.parametrize("section", INSTALLED)
def test_each_row_says_what_for_and_why_this_one_and_how_old_it_is(section):
    for name, said in rows(section):
        cells = [cell.strip() for cell in said.split("|")]
        assert len(cells) == 3, name
        assert all(cells), name
        if section != "Debian":
            assert re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])|pinned version \S+", cells[-1]), name


def test_no_extra_was_forgotten():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert set(config["options.extras_require"]) <= INSTALLED.keys()


# What a package shows in its own interface comes with it.
COMES_WITH = {
    "jinja2": "flask",
    "markupsafe": "flask",
    "werkzeug": "flask",
    "joserfc": "authlib",
    "kombu": "celery",
    "urllib3": "requests",
}
OURS = {"identity", "domain_rules", "workers"}
SYNAPSES_OWN = {"synapse", "twisted", "treq", "signedjson", "unpaddedbase64", "prometheus-client"}
# Run as commands.
NEVER_IMPORTED = {"granian", "gunicorn"}


def imported_by(folder: str) -> set[str]:
    """The distributions that the modules below a folder import."""
    distributions = packages_distributions()
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    packages = found - OURS - sys.stdlib_module_names
    return {distributions.get(name, [name])[0].lower().replace("_", "-") for name in packages}


def test_the_service_imports_what_it_declares_and_declares_what_it_imports():
    imported = imported_by("identity") | imported_by("workers")
    declared = {
        name
        for section in ("install_requires", "service", "passkeys")
        for name in INSTALLED[section]
    }
    assert {COMES_WITH.get(name, name) for name in imported} - declared == set()
    rules = imported_by("domain_rules") - imported_by("domain_rules/synapse_modules")
    assert declared - imported - rules == NEVER_IMPORTED


def test_the_rules_import_what_the_base_wheel_declares():
    module = imported_by("domain_rules/synapse_modules")
    assert module <= SYNAPSES_OWN
    assert imported_by("domain_rules") - module == {*INSTALLED["install_requires"]}
