"""`guichet` as a process, as operators and homeservers' machines start it."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from domain_rules.addresses import EmailAddress
from identity.routing.rules_in_force import RulesInForce
from tests.services.processes import BIN, ROOT
from tests.worlds.command_line import *

BASE_INSTALL = """
import sys

class BaseInstall:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {"click", "rich", "sqlalchemy", "flask", "pydantic"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, BaseInstall)
from identity.cli.entry import main
sys.exit(main())
"""


def ended(*command: str, folder) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    env |= {"GUICHET_DATA_DIR": str(folder), "GUICHET_ENV_FILE": ""}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_base_install_says_in_one_line_what_is_missing(tmp_path):
    done = ended(sys.executable, "-c", BASE_INSTALL, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "guichet: click is missing: the service is not installed here "
        "(install matrix-guichet with its extra [service])\n"
    )


@pytest.mark.processes
def test_the_command_is_installed(tmp_path):
    assert ended(str(BIN / "guichet"), "--version", folder=tmp_path).stdout.startswith("guichet, ")
    helped = ended(str(BIN / "guichet"), "--help", folder=tmp_path)
    for noun in ("address", "config", "db", "domain", "homeserver", "mail", "serve"):
        assert f"\n  {noun} " in helped.stdout
    assert ended(str(BIN / "guichet"), "nonsense", folder=tmp_path).returncode == 2


@pytest.mark.processes
def test_one_process_publishes_and_another_decides_by_it(federation, opened):
    rules = RulesInForce(opened, lambda: datetime(2027, 3, 1, tzinfo=UTC), look_every=0)
    ana = EmailAddress.parse("ana@ac-rouen.example")
    assert rules.current().decide(ana).reason == "invite_required"
    words = ("domain", "add", "ac-rouen.example", "--homeserver", "education.example")
    done = ended(str(BIN / "guichet"), *words, folder=federation.folder)
    # No log of Alembic's, no traceback: what it did, and what it says.
    assert done.stdout == "+ domain:ac-rouen.example  agent → education.example\n"
    assert done.stderr.splitlines() == [
        "None of the 0 known addresses in reach is affected.",
        "Revision 2 is published.",
    ]
    assert rules.current().decide(ana).reason == "open"


@pytest.mark.processes
def test_the_first_command_on_an_empty_folder_is_silent_about_the_schema(tmp_path):
    done = ended(str(BIN / "guichet"), "homeserver", "list", "--json", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
