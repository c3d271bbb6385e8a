"""Who makes a change on the command line: who called sudo, or else the user of the system."""

import os
import pwd

import pytest

from identity.command import opening
from tests.worlds.command_line import *

EDUCATION = "education.example"


@pytest.fixture(autouse=True)
def no_sudo(monkeypatch):
    monkeypatch.delenv("SUDO_USER", raising=False)


def test_the_operator_is_the_user_of_the_system_whatever_the_environment_says(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody else")
    assert opening.operator() == pwd.getpwuid(os.getuid()).pw_name


def test_behind_sudo_it_is_who_called_it(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "olga")
    assert opening.operator() == "olga"


def test_a_user_without_a_name_is_a_number(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert opening.operator() == "uid 4000000"


@pytest.mark.parametrize(
    ("env", "words", "author"),
    [
        ({"SUDO_USER": "olga"}, (), "olga"),
        ({"SUDO_USER": ""}, (), pwd.getpwuid(os.getuid()).pw_name),
        ({"SUDO_USER": "olga"}, ("--author", "console: ida"), "console: ida"),
    ],
)
def test_the_journal_names_them(run, env, words, author):
    run(*("homeserver", "add", EDUCATION, "--url", "https://x.example", *words), env=env)
    assert {row["actor"] for row in run.json("journal", "list")} == {author}
