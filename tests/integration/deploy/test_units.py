"""The sample units, judged by systemd itself, and the separations that docs/security.md promises."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.services.units import Unit

UNITS = sorted((Path(__file__).parents[3] / "deploy/systemd").glob("*.service"))
MOST_EXPOSED = 3.0  # of 10, as `systemd-analyze security` counts
KEYS = "/etc/guichet/homeserver_keys"
MIGRATE = "guichet-migrate.service"


@pytest.fixture(params=UNITS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def test_there_is_a_unit_for_each_process():
    assert {path.stem.removeprefix("guichet-") for path in UNITS} == {
        "internal",
        "migrate",
        "scheduler",
        "web",
        "worker",
    }


def test_little_of_the_machine_is_exposed(path):
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level[1]) <= MOST_EXPOSED


def test_systemd_understands_every_line(path):
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    # Nothing is installed in /opt on the machine of the tests.
    told = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if "is not executable" not in line and path.name in line
    ]
    assert not told


def test_only_the_worker_can_open_homeservers_secrets(path):
    service = Unit(path)["Service"]
    is_worker = path.stem == "guichet-worker"
    assert (service["User"] == "guichet-worker") == is_worker
    assert (KEYS in service["Environment"]) == is_worker
    assert (KEYS in service.get("InaccessiblePaths", "")) == (not is_worker)


def test_settings_come_from_one_file_wherever_a_process_starts(path):
    service = Unit(path)["Service"]
    assert service["EnvironmentFile"] == "/etc/guichet/guichet.env"
    assert "GUICHET_ENV_FILE=/etc/guichet/guichet.env" in service["Environment"]


def test_no_service_can_write_where_python_would_import_from(path):
    """celery and granian put the working directory before everything else that is imported."""
    service = Unit(path)["Service"]
    assert service["WorkingDirectory"] == "/"
    assert "/" not in service["ReadWritePaths"].split()


def test_the_schema_comes_first_and_a_start_is_tried_again_without_end(path):
    unit = Unit(path)
    if path.name == MIGRATE:
        assert unit["Service"]["Type"] == "oneshot"
        return
    assert MIGRATE in unit["Unit"]["After"]
    assert MIGRATE in unit["Unit"]["Wants"]
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"
