"""The examples of docs/admin-api.md, run by a shell as they stand there, against a real server."""

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from identity.core import journal
from identity.operators.roles import Role
from tests.worlds.admin_api import *

PAGE = Path(__file__).parents[3] / "docs/admin-api.md"
EXAMPLES = re.findall(
    r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.fixture
def database_url(sqlite_url):
    """What curl is answered depends on no database."""
    return sqlite_url


@pytest.fixture
def run(app, make_operator, issue_token):
    """Runs an example with the variables that the page names; returns what it prints."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    token = issue_token(make_operator("Emil", Role.EDITOR))
    named = {"GUICHET": f"http://127.0.0.1:{server.server_port}", "TOKEN": token}

    def run(example: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example],
            env=os.environ | named,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def test_there_are_three_examples():
    assert len(EXAMPLES) == 3


def test_an_address_is_explained(run):
    assert run(EXAMPLES[0]) == '"education.example"\n'


def test_rules_are_listed_to_the_last_page(run):
    assert run(EXAMPLES[1]) == "ac-rouen.example\n"


def test_a_change_is_drafted_and_checked_and_run_twice_it_is_done_once(run, program, services):
    assert [run(EXAMPLES[2]), run(EXAMPLES[2])] == ["checking\n"] * 2
    (change,) = program(Role.VIEWER).get("/changes").json["items"]
    assert (change["id"], change["state"]) == ("C-1", "checking")
    with services.database.reading() as session:
        actions = [row.action for row in journal.find_by_subject(session, ["C-1"])]
    assert actions == ["change.make", "change.check"]
