"""The private half reaches the worker and no other process."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.children import children_of, command_of
from tests.services.keys import KEYS, WORKER_KEYS
from tests.services.waiting import wait_for

PRIVATE = WORKER_KEYS["GUICHET_HOMESERVER_KEYS"]


def environ(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text(errors="replace")


def family(pid: int) -> list[int]:
    """A process and all that came of it."""
    return [pid, *(each for child in children_of(pid) for each in family(child))]


def processes_of(serve) -> dict[str, list[int]]:
    """The processes of `guichet serve`, by what they are."""
    kinds = {"asgi:app": "web", "asgi:internal": "internal", "\0worker\0": "worker", "beat": "beat"}
    found = {}
    for child in children_of(serve.pid):
        kind = next((name for part, name in kinds.items() if part in command_of(child)), None)
        if kind:
            found[kind] = family(child)
    return found if "worker" in found and "web" in found and "beat" in found else {}


@pytest.mark.parametrize(
    "given", [{}, {**KEYS, **WORKER_KEYS}], ids=["made on the first start", "given"]
)
def test_serve_gives_it_to_the_worker_alone(guichet_processes, given):
    (guichet_processes.folder / ".env").write_text("")
    web = guichet_processes.serve(given)
    found = wait_for(lambda: processes_of(web), what="the processes of serve")
    kept = guichet_processes.folder / "var/homeserver_keys"
    if not given:
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert kept.read_text().startswith("hs-private-")
    private = given.get("GUICHET_HOMESERVER_KEYS", str(kept))
    assert private in environ(found["worker"][0])
    for kind in {"web", "internal", "beat"} & set(found):
        for pid in found[kind]:
            assert private not in environ(pid), kind
            assert "hs-private-" not in environ(pid), kind


@pytest.mark.parametrize("file", [False, True], ids=["variable", "file"])
def test_the_web_does_not_start_with_it(tmp_path, file):
    kept = tmp_path / "key"
    kept.write_text(PRIVATE)
    name, value = ("GUICHET_HOMESERVER_KEYS_FILE", str(kept)) if file else (*WORKER_KEYS, PRIVATE)
    done = start("import wsgi", tmp_path, KEYS | {name: value})
    assert done.returncode != 0
    assert done.stderr.strip().startswith("guichet: GUICHET_HOMESERVER_KEYS: only the worker")
    assert PRIVATE not in done.stderr


def test_the_web_starts_without_it_and_no_page_needs_it(tmp_path):
    """Every route is asked in a process of its own: none of them makes anything that opens a box."""
    done = start(WALK, tmp_path, KEYS)
    assert done.stdout.split() == ["walked", "0", "openers"], done.stderr


WALK = """
import gc, os
from identity.migrations.upgrading import upgrade
from identity.settings import read_settings
from nacl.public import PrivateKey
from identity.core.sealing import PrivateHalves
upgrade(read_settings().database)
import wsgi
from identity.homeservers import service as homeserver_changes
from identity.homeservers.service import NewHomeserver
from identity.core.journal import Actor
from pydantic import SecretStr
with wsgi.services.database.transaction() as session:
    homeserver_changes.register(session, wsgi.services.public_half, wsgi.services.now(), NewHomeserver(
        name="a.example", url="http://127.0.0.1:1", guests=True, connector="synapse",
        registration_secret=SecretStr("s"), admin_token=SecretStr("t")), Actor("t", "t", "t"))
assert not hasattr(wsgi.services, "connector_for")
assert not hasattr(wsgi.services, "private_halves")
for app in (wsgi.app, wsgi.internal):
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        path = "/".join("1" if "<" in part else part for part in rule.rule.split("/"))
        for method in rule.methods:
            status = client.open(path, method=method).status_code
            assert status < 500, (method, path, status)
found = [each for each in gc.get_objects() if isinstance(each, (PrivateKey, PrivateHalves))]
print("walked", len(found), "openers")
"""


@pytest.mark.parametrize(
    "given",
    [None, PRIVATE.replace("private", "public"), "a string"],
    ids=["none", "not private", "no key"],
)
def test_a_worker_without_it_does_not_start_and_says_what_is_missing(tmp_path, given):
    env = KEYS | {"GUICHET_DATABASE_URL": f"sqlite:///{tmp_path / 'guichet.db'}"}
    if given:
        env["GUICHET_HOMESERVER_KEYS"] = given
    program = Path(sys.executable).with_name("celery")
    done = run([program, "-A", "workers", "worker", "--pool", "solo"], tmp_path, env)
    assert done.returncode != 0
    assert "GUICHET_HOMESERVER_KEYS: " in done.stderr
    assert "hs-private-" in done.stderr, "with an example, or how one begins"


def start(code: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    url = f"sqlite:///{folder / 'guichet.db'}"
    return run([sys.executable, "-c", code], folder, {"GUICHET_DATABASE_URL": url, **env})


def run(argv, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    root = str(Path(__file__).parents[3])
    ours = {"GUICHET_DATA_DIR": str(folder), "GUICHET_ENV_FILE": ""}
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": root, **ours, **env}
    return subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=180
    )
