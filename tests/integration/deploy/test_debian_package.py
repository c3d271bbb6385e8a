"""The Debian package: built, installed in a small Debian, used, upgraded, removed and purged there."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import requests

from identity.cli.commands import COMMANDS
from tests.services.debian_root import DebianRoot
from tests.services.person import Person, code_in, plain
from tests.services.production import ask_database
from tests.services.unit_manager import UnitManager
from tests.services.waiting import LOOPBACK, free_port, wait_for

ROOT = Path(__file__).parents[3]
SERVICES = [f"guichet-{name}.service" for name in ("web", "internal", "worker", "scheduler")]
SETTINGS, KEYS = "/etc/guichet/guichet.env", "/etc/guichet/homeserver_keys"

EPOCH = "1764460800"
POSTINST = "/var/lib/dpkg/info/guichet.postinst"
NEXT_VERSION = "999"
MOST_EXPOSED = 3.0  # of 10, as `systemd-analyze security` counts
ADDRESS = "camille.durand@ac-rouen.example"
pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """What git holds, or would after `git add`: as `make deb` has it."""
    folder = tmp_path_factory.mktemp("source")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listed.split(b"\0") if name and (ROOT / name.decode()).is_file()]
    subprocess.run(
        ["cp", "--parents", f"--target-directory={folder}", "--", *names], cwd=ROOT, check=True
    )
    return folder


@pytest.fixture(scope="module")
def build(source):
    """The script of `make deb`."""
    spec = importlib.util.spec_from_file_location("build", source / "deploy/debian/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def environment(build, source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("environment") / "guichet"
    build.make_environment(source, folder)
    return folder


@pytest.fixture(scope="module")
def package(build, source, environment, tmp_path_factory) -> Path:
    """Not compressed, which would take long; its bytes are otherwise those of `make deb`."""
    dist = tmp_path_factory.mktemp("dist")
    return build.make_package(source, environment, dist, compression="none")


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    return folder


@pytest.fixture
def debian(tmp_path) -> DebianRoot:
    """A machine that has what the package says it needs, and no more; and a manager of units."""
    needed = ("adduser", "ca-certificates", "init-system-helpers", "libc6", "libgcc-s1", "tzdata")
    return DebianRoot(tmp_path / "debian", *needed, Path("/usr/bin/python3").resolve().name)


@pytest.fixture
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("site", "internal", "metrics")}


@pytest.fixture
def manager(debian, ports, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    site = f"{LOOPBACK}:{ports['site']}"
    # Ports are another's here perhaps, and a second process of the site would show nothing new.
    started = UnitManager(debian, logs, {f"{LOOPBACK}:8000": site, "2": "1"})
    with started.listening():
        yield started
    started.end_all()


@pytest.fixture
def settings(empty_postgresql_url, redis_url, smtp_server, ports) -> dict[str, str]:
    """What an operator writes over the samples."""
    return {
        "GUICHET_PUBLIC_URL": f"http://{LOOPBACK}:{ports['site']}",
        "GUICHET_DATABASE_URL": empty_postgresql_url,
        "GUICHET_BROKER_URL": redis_url,
        "GUICHET_REDIS_URL": redis_url.replace("/0", "/1"),
        "GUICHET_SMTP_URL": smtp_server.url,
        "GUICHET_INTERNAL_LISTEN": f"{LOOPBACK}:{ports['internal']}",
        "GUICHET_WORKER_METRICS_LISTEN": f"{LOOPBACK}:{ports['metrics']}",
    }


def write_settings(debian: DebianRoot, settings: dict[str, str]) -> None:
    """As with an editor: owner and mode stay."""
    path = debian.path(SETTINGS)
    text = path.read_text()
    for name, value in settings.items():
        text, found = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        text += "" if found else f"{name}={value}\n"
    path.write_text(text)


# --- What is in it


def test_nobody_but_root_writes_what_is_installed_and_secrets_are_not_for_everybody(package):
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [line.split(maxsplit=5) for line in listed]
    assert {owner for _mode, owner, *_rest in rows} == {"root/root"}
    modes = {row[5].removeprefix("."): row[0] for row in rows}
    assert modes["/etc/guichet/"] == "drwxr-x---"
    assert modes[SETTINGS] == "-rw-r-----"
    others = [mode for name, mode in modes.items() if not name.startswith("/etc/guichet/")]
    assert set(others) == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}
    programs = sorted(name for name, mode in modes.items() if mode == "-rwxr-xr-x")
    home = "/usr/lib/guichet/bin"
    assert programs == ["/usr/bin/guichet-backup"] + [
        f"{home}/{name}" for name in ("celery", "guichet", "gunicorn")
    ]


def test_no_path_of_the_machine_that_built_it_is_in_it(unpacked, environment, source):
    parts = (environment.parent, source, Path("/tmp/guichet-"))
    built = [str(path).encode() for path in parts]
    for path in unpacked.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            assert not [each for each in built if each in data], path
    for name in ("guichet", "celery", "gunicorn"):
        script = (unpacked / "usr/lib/guichet/bin" / name).read_text()
        assert script.startswith("#!/usr/lib/guichet/bin/python\n")


def test_the_units_are_the_samples_for_the_place_of_the_package(unpacked, tmp_path):
    found = {path.name: path for path in (unpacked / "usr/lib/systemd/system").iterdir()}
    samples = {path.name: path for path in (ROOT / "deploy/systemd").glob("*.service")}
    assert found.keys() == samples.keys()
    for name, path in found.items():
        text = path.read_text()
        assert text == samples[name].read_text().replace("/opt/guichet/", "/usr/lib/guichet/")
        program = re.search(r"^ExecStart=(\S+)", text, re.MULTILINE)[1]
        assert (unpacked / program.lstrip("/")).is_file(), name
        judged = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        level = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged)
        assert float(level[1]) <= MOST_EXPOSED, name


def test_samples_name_the_program_where_it_is_installed(unpacked):
    shared = unpacked / "usr/share/guichet"
    assert (
        "argv=/usr/lib/guichet/bin/guichet mail bounce"
        in (shared / "postfix-bounces.cf").read_text()
    )
    for path in chain(shared.rglob("*"), (unpacked / "etc").rglob("*")):
        assert path.is_dir() or b"/opt/guichet" not in path.read_bytes(), path
    assert (unpacked / "DEBIAN/conffiles").read_text() == f"{SETTINGS}\n"


def test_every_byte_code_belongs_to_its_source(unpacked):
    """Otherwise each start would compile it anew: the services cannot write there."""
    site = next(unpacked.glob("usr/lib/guichet/lib/python3.*/site-packages"))
    for module in ("identity/web/asgi.py", "workers/celery_app.py", "celery/app/base.py"):
        path = site / module
        (compiled,) = (path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc")
        flags, seconds = compiled.read_bytes()[4:8], compiled.read_bytes()[8:12]
        assert flags == b"\0\0\0\0"
        assert int.from_bytes(seconds, "little") == int(path.stat().st_mtime)


def test_the_manual_page_names_every_command(unpacked):
    page = (ROOT / "deploy/debian/guichet.1").read_text().replace("\\-", "-")
    named = re.findall(r"^\.(?:B|BR) (.+)$", page, re.MULTILINE)
    words = set(re.findall(r"[a-z-]+", " ".join(named)))
    assert set(COMMANDS) <= words


@pytest.mark.long
def test_two_builds_give_the_same_bytes_and_lintian_finds_no_error(source, tmp_path):
    """As `make deb` builds, twice, in folders of different names and lengths."""
    made = []
    for name in ("one", "another-folder"):
        copy = tmp_path / name
        shutil.copytree(source, copy)
        words = [sys.executable, copy / "deploy/debian/build.py", copy, tmp_path / f"dist-{name}"]
        done = subprocess.run(
            words,
            env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        made.append(Path(done.stdout.strip()))
    assert made[0].name == made[1].name
    assert made[0].read_bytes() == made[1].read_bytes()
    judged = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", made[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "E: " not in judged.stdout


# --- A machine that has it


def test_from_installation_to_purge(
    debian, manager, package, build, source, environment, settings, smtp_server, tmp_path
):
    shutil.copyfile(package, debian.path("/guichet.deb"))
    told = debian.dpkg("--install", "/guichet.deb")
    assert "Nothing was started. Next: make the database" in told
    assert not [order for order in manager.asked if "start" in order]
    assert debian.owner_and_mode("/etc/guichet") == "root:guichet 0750"
    assert debian.owner_and_mode(SETTINGS) == "root:guichet 0640"
    assert debian.owner_and_mode("/var/lib/guichet") == "guichet:guichet 0770"
    # As at the next start of the machine; postinst does it at once where there is a /proc.
    subprocess.run(
        ["systemd-tmpfiles", f"--root={debian.folder}", "--create", "guichet.conf"], check=True
    )
    assert debian.owner_and_mode("/run/guichet") == "guichet:guichet 0750"

    configure(debian, settings)
    be_hostile(debian)
    manager.enable_and_start(*SERVICES)
    sees_all_is_well(settings, manager)
    sign_up(debian, settings, smtp_server)
    written = debian.path(SETTINGS).read_bytes()

    restarts_nothing_with_faults(debian, manager, settings)

    dist = tmp_path / "dist"
    newer = build.make_package(source, environment, dist, version=NEXT_VERSION, compression="none")
    shutil.copyfile(newer, debian.path("/guichet.deb"))
    before, asked = dict(manager.running), len(manager.asked)
    debian.dpkg("--install", "/guichet.deb")
    orders = manager.asked[asked:]
    (migrated,) = (i for i, order in enumerate(orders) if order == "start guichet-migrate.service")
    (restarted,) = (i for i, order in enumerate(orders) if "restart guichet-web" in order)
    assert migrated < restarted
    assert all(manager.running[name].pid != before[name].pid for name in SERVICES)
    assert debian.path(SETTINGS).read_bytes() == written
    assert debian.owner_and_mode(SETTINGS) == "root:guichet 0640"
    sees_all_is_well(settings, manager)

    leaves_what_a_database_needs(debian, manager, settings)


def configure(debian: DebianRoot, settings: dict[str, str]) -> None:
    told = debian.run("guichet", "config", "check", check=False)
    assert "/etc/guichet/secret_keys cannot be read" in told
    assert "Traceback" not in told
    lines = re.findall(r"^(GUICHET_\w+)=(.+)$", debian.run("guichet", "keys", "init"), re.MULTILINE)
    assert len(lines) == 3
    write_settings(debian, settings | dict(lines))
    assert "The settings can be used" in debian.run("guichet", "config", "check")
    assert debian.owner_and_mode(KEYS) == "guichet-worker:guichet 0400"
    assert "Permission denied" in debian.run("cat", KEYS, user="guichet", check=False)
    assert debian.run("cat", KEYS, user="guichet-worker").strip()
    for user in ("guichet", "guichet-worker"):
        assert debian.run("cat", "/etc/guichet/secret_keys", user=user).strip()


def be_hostile(debian: DebianRoot) -> None:
    """Somebody who broke into the web lays modules where the worker works, under names it imports."""
    for name in ("workers", "identity", "asgi", "sitecustomize"):
        program = f'echo "raise SystemExit(1)" > /var/lib/guichet/{name}.py'
        debian.run("sh", "-c", program, user="guichet")


def sees_all_is_well(settings: dict[str, str], manager: UnitManager) -> None:
    def is_ready() -> bool:
        gone = [name for name, child in manager.running.items() if not child.running]
        assert not gone, "".join(manager.log(name) for name in gone)
        try:
            answer = requests.get(f"{settings['GUICHET_PUBLIC_URL']}/readyz", timeout=10)
        except requests.RequestException:
            return False
        return answer.status_code == 200 and answer.json()["status"] == "ready"

    wait_for(is_ready, what="/readyz says ready", pause=1)
    for setting, name in (
        ("GUICHET_INTERNAL_LISTEN", "guichet_build_info"),
        ("GUICHET_WORKER_METRICS_LISTEN", "guichet_"),
    ):
        wait_for(lambda setting=setting, name=name: name in shown(settings[setting]), what=setting)


def shown(listen: str) -> str:
    """The metrics there; none while nobody listens: /readyz waits for neither listener."""
    try:
        return requests.get(f"http://{listen}/metrics", timeout=30).text
    except requests.ConnectionError:
        return ""


def sign_up(debian: DebianRoot, settings: dict[str, str], smtp_server) -> None:
    added = ("homeserver", "add", "education.example", "--url", "http://127.0.0.1:1")
    debian.run("guichet", *added, "--label", "Éducation")
    added = ("domain", "add", "ac-rouen.example", "--homeserver", "education.example")
    debian.run("guichet", *added, "--organisation", "Rouen")

    def is_open() -> bool:
        return (
            "education.example"
            in requests.get(
                f"{settings['GUICHET_PUBLIC_URL']}/_matrix/identity/api/v1/info",
                params={"medium": "email", "address": ADDRESS},
                timeout=30,
            ).text
        )

    wait_for(is_open, what="the web knows the new rules", pause=0.2)
    camille = Person(settings["GUICHET_PUBLIC_URL"])
    camille.ask(ADDRESS)
    camille.type_code(code_in(plain(smtp_server.wait_for_mail(ADDRESS))))
    assert "Éducation" in camille.page.text


def restarts_nothing_with_faults(
    debian: DebianRoot, manager: UnitManager, settings: dict[str, str]
) -> None:
    right = debian.path(SETTINGS).read_text()
    pids = {name: child.pid for name, child in manager.running.items()}
    for name, value, told in (
        (
            "GUICHET_PUBLIC_URL",
            "javascript:1",
            "The settings have faults, so nothing was restarted.",
        ),
        (
            "GUICHET_DATABASE_URL",
            f"postgresql+psycopg://guichet@{LOOPBACK}:{free_port()}/guichet",
            "The database could not be brought to the schema of this version",
        ),
    ):
        write_settings(debian, {name: value})
        # What dpkg would run at the end of an upgrade.
        assert told in debian.run(POSTINST, "configure", "0.1")
        assert {name: child.pid for name, child in manager.running.items()} == pids
        assert all(child.running for child in manager.running.values())
        debian.path(SETTINGS).write_text(right)


def leaves_what_a_database_needs(
    debian: DebianRoot, manager: UnitManager, settings: dict[str, str]
) -> None:
    debian.path("/var/lib/guichet/erasures.jsonl").touch()
    debian.dpkg("--remove", "guichet")
    assert not manager.running
    assert not debian.path("/usr/lib/guichet").exists()
    assert debian.path(SETTINGS).exists()

    told = debian.dpkg("--purge", "guichet")
    for name in ("secret_keys", "storage_keys", "homeserver_keys"):
        assert f"/etc/guichet/{name}" in told
        assert debian.path(f"/etc/guichet/{name}").exists()
    assert "/var/lib/guichet/erasures.jsonl" in told
    state = [f"/var/lib/guichet/{name}" for name in ("metrics", "last_seen.json", "epoch")]
    gone = (SETTINGS, "/run/guichet", *state)
    assert not [name for name in gone if debian.path(name).exists()]
    assert ask_database(settings, "select 1 from verification_requests")
