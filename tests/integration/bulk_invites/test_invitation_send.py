"""`guichet invitation send`: a list is checked first, and sent when that is said."""

import os
import pty
import sys
from pathlib import Path
from subprocess import Popen

import pytest
from sqlalchemy import select

from identity.bulk_invites.models import BulkInvite, BulkInviteRow
from tests.services.told_room_actions import ToldRoom
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS

ZOE, ROOM = f"@zoe:{EDUCATION}", f"!room:{EDUCATION}"
HOW = ("--room", ROOM, "--as", ZOE)
PEOPLE = "lea.petit@asso.example\nLea.Petit@asso.example\nno address\npaul@mairie.example\n"


@pytest.fixture
def send(run, told_room_actions):
    made = run.json("homeserver", "add", EDUCATION, "--url", told_room_actions.url)
    told_room_actions.credential = made["credential"]
    run("homeserver", "add", GUESTS, "--url", "https://matrix.guests.example", "--guests")
    told_room_actions.rooms[ROOM] = ToldRoom(members={ZOE}, may_invite={ZOE})
    file = run.file("people.txt", PEOPLE)

    def send(*words, ends=5, **how):
        return run.json("invitation", "send", file, *HOW, *words, ends=ends, **how)

    send.file, send.run = file, run
    return send


def test_without_yes_every_row_is_shown_and_nothing_is_sent(send, opened):
    told = send()
    assert (told["id"], told["total"], told["unsent"]) == (None, 4, 2)
    assert [(row["line"], row["address"], row["outcome"]) for row in told["rows"]] == [
        (1, "lea.petit@asso.example", "ready"),
        (2, "lea.petit@asso.example", "duplicate"),
        (3, None, "not_an_address"),
        (4, "paul@mairie.example", "ready"),
    ]
    with opened.reading() as session:
        assert session.scalars(select(BulkInvite)).all() == []


def test_the_table_shows_the_ready_rows_too_before_anything_is_sent(send):
    shown = send.run("invitation", "send", send.file, *HOW, ends=5)
    assert "1\tlea.petit@asso.example\tready" in shown.stdout
    assert "3\tno address\tnot_an_address\tno_at" in shown.stdout
    assert "column 1" in shown.stderr
    assert "Nothing was sent" in shown.stderr


def test_with_yes_what_can_be_sent_waits_for_the_worker(send, opened):
    told = send("--yes")
    assert (told["state"], told["waiting"]) == ("sending", 2)
    with opened.reading() as session:
        steps = session.scalars(select(BulkInviteRow.step).order_by(BulkInviteRow.place)).all()
    assert steps == ["waiting", "", "", "waiting"]


def test_the_file_may_be_named_by_an_option_but_one_it_must_be(send):
    told = send.run.json("invitation", "send", "--file", send.file, *HOW, ends=5)
    assert told["total"] == 4
    assert "one file" in send.run("invitation", "send", *HOW, ends=2).stderr
    both = ("invitation", "send", send.file, "--file", send.file, *HOW)
    assert "one file" in send.run(*both, ends=2).stderr


def test_who_may_not_invite_to_the_room_sends_nothing(send, told_room_actions):
    told_room_actions.rooms[ROOM].may_invite.clear()
    refused = send.run("invitation", "send", send.file, *HOW, "--yes", ends=3)
    assert "may not invite" in refused.stderr


def test_a_homeserver_that_is_not_registered_is_named(send):
    stranger = ("--room", ROOM, "--as", "@eve:elsewhere.example")
    refused = send.run("invitation", "send", send.file, *stranger, ends=1)
    assert "not registered" in refused.stderr


def test_a_file_without_an_address_sends_nothing(send):
    empty = send.run.file("empty.txt", "nobody here\n")
    refused = send.run("invitation", "send", empty, *HOW, "--yes", ends=1)
    assert "nothing was sent" in refused.stderr


TWO = (
    "Nom;Courriel professionnel;Courriel personnel\nDurand;camille@mairie.example;c@asso.example\n"
)
UNSAID = "camille@mairie.example;c@asso.example\npaul@mairie.example;p@asso.example\n"


def test_one_column_is_read_and_named_and_another_one_can_be_asked_for(send):
    two = send.run.file("two.csv", TWO)
    told = send.run.json("invitation", "send", two, *HOW)
    assert [row["address"] for row in told["rows"]] == ["camille@mairie.example"]
    assert told["column"] == {"number": 2, "name": "Courriel professionnel"}
    assert told["elsewhere"] == 1
    for column in ("3", "courriel PERSONNEL"):
        told = send.run.json("invitation", "send", two, *HOW, "--column", column)
        assert [row["address"] for row in told["rows"]] == ["c@asso.example"]
    refused = send.run("invitation", "send", two, *HOW, "--column", "Nom", "--yes", ends=1)
    assert "'Nom'" in refused.stderr


def test_where_nobody_knows_the_column_nothing_is_sent_before_it_is_said(send, opened):
    unsaid = send.run.file("unsaid.csv", UNSAID)
    refused = send.run("invitation", "send", unsaid, *HOW, "--yes", ends=3)
    assert "--column 1: column 1, 2 addresses: camille@mairie.example" in refused.stderr
    with opened.reading() as session:
        assert session.scalars(select(BulkInviteRow)).all() == []
    told = send.run.json("invitation", "send", unsaid, *HOW, "--column", "2", "--yes", ends=0)
    assert [row["address"] for row in told["rows"]] == ["c@asso.example", "p@asso.example"]
    assert (told["waiting"], told["elsewhere"]) == (2, 2)


@pytest.mark.parametrize(("answer", "waiting"), [(b"y\n", 2), (b"n\n", 0)])
def test_at_a_terminal_the_rows_are_shown_and_then_it_is_asked(send, opened, answer, waiting):
    ours, theirs = pty.openpty()
    command = (
        str(Path(sys.executable).with_name("guichet")),
        "invitation",
        "send",
        send.file,
        *HOW,
    )
    env = os.environ | {"GUICHET_DATA_DIR": str(send.run.folder), "COLUMNS": "120"}
    with Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as child:
        os.close(theirs)
        said = until(ours, b"Send them?")
        assert said.index(b"lea.petit@asso.example") < said.index(b"Send them?")
        os.write(ours, answer)
        until(ours, b"sent")
        assert child.wait(120) == 5
    os.close(ours)
    with opened.reading() as session:
        steps = session.scalars(select(BulkInviteRow.step)).all()
    assert steps.count("waiting") == waiting


def until(terminal: int, words: bytes) -> bytes:
    said = b""
    while words not in said:
        said += os.read(terminal, 4096)
    return said
