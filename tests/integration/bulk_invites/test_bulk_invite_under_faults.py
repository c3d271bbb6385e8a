"""A list of hundreds of people, in the state in which lists are, sent by a worker that is killed twice on the way."""

import time
from collections import Counter

import pytest
from celery import Celery

from domain_rules.bulk_invites.reading import read_people
from identity.core.outbox import Lane
from tests.services.processes import read_json
from tests.services.production import ask_database
from tests.services.told_room_actions import ToldRoom
from tests.services.waiting import wait_for

ZOE = "@zoe:education.example"
HERS = "zoe.martin@ac-rouen.example"
ROOM = "!room:education.example"
LINES = 400
MANY_LINES = 1_000


def people(number_of_lines: int) -> tuple[list[str], Counter]:
    """So many lines, a fifth of them fit to be sent, and what the check has to say of them."""
    lines, expected = [], Counter()
    for number in range(number_of_lines):
        line, outcome = a_line(number)
        lines.append(line)
        expected[outcome] += 1
    return lines, expected


def a_line(number: int) -> tuple[str, str]:
    agent, guest = f"agent.n{number}@ac-rouen.example", f"n{number}@asso.example"
    before = f"AGENT.N{number - number % 20}@AC-Rouen.Example"
    special = {
        1: (agent.upper(), "ready"),
        2: (f"Éloïse Œuvre <{guest}>", "ready"),
        3: (f"mailto:{guest}", "ready"),
        4: (f"n{number}.asso.example", "not_an_address"),
        5: (f"n{number}@gmial.com", "typo"),
        6: (f"n{number}@ac-normandie.example", "sibling"),
        7: (f"=1+1@{number}", "not_an_address"),
    }
    usual = (before, "duplicate") if number % 20 else (agent, "ready")
    typed, outcome = special.get(number % 20, usual)
    return f"Numéro {number};{typed}", outcome


@pytest.fixture
def country(federation, guichet_processes, told_room_actions):
    """The sample federation with a sibling, an agent who may invite, and no quota in the way."""
    environment = federation | {"GUICHET_LIMITS": "off"}
    ask_database(
        environment, f"update homeservers set url = '{told_room_actions.url}' where not guests"
    )
    add = ("domain", "add", "ac-normandie.example", "--sibling-of", "ac-rouen.example")
    guichet_processes.guichet(*add, env=environment)
    told_room_actions.rooms[ROOM] = ToldRoom(members={ZOE}, may_invite={ZOE})
    rotate = ("homeserver", "rotate-credential", "education.example")
    told_room_actions.credential = guichet_processes.told(*rotate, env=environment)["credential"]
    ask_database(
        environment,
        "insert into associations (medium, address, user_id, bound_at)"
        f" values ('email', '{HERS}', '{ZOE}', now())",
    )
    return environment


def send(processes, environment, file, *options):
    """The command; gives what it told, with the exit code that says: not all."""
    words = ("invitation", "send", str(file), "--room", ROOM, "--as", ZOE, "--json", *options)
    begun = time.monotonic()
    child = processes.start("guichet", *words, env=environment)
    assert child.process.wait(120) in {0, 5}, child.log
    print(f"checked in {time.monotonic() - begun:.1f} s, start included")  # noqa: T201  reported, not asserted
    return read_json(child.log)


@pytest.mark.faults
@pytest.mark.parametrize(
    "number_of_lines", [LINES, pytest.param(MANY_LINES, marks=pytest.mark.long)]
)
def test_all_lines_are_each_mailed_once_or_told_why_not_though_the_worker_is_killed_twice(
    country,
    guichet_processes,
    told_room_actions,
    smtp_server,
    tmp_path,
    record_fault,
    number_of_lines,
):
    lines, expected = people(number_of_lines)
    file = tmp_path / "liste.csv"
    dressed = "Nom;Adresse\r\n" + "\r\n".join(lines) + "\r\n"
    dresses = {codec: dressed.encode(codec) for codec in ("utf-8-sig", "cp1252", "utf-16")}
    assert len({read_people(raw).columns for raw in dresses.values()}) == 1
    file.write_bytes(dresses["utf-16"])
    sent = send(guichet_processes, country, file, "--yes")
    ready = expected["ready"]
    assert (sent["state"], sent["total"], sent["waiting"]) == ("sending", number_of_lines, ready)
    assert Counter(row["outcome"] for row in sent["rows"]) == expected

    for share in (0.2, 0.6):
        worker = working(guichet_processes, country)
        wait_for(
            lambda share=share: len(smtp_server.deliveries) >= ready * share,
            what=f"{share:.0%} of the mails",
            within=400,
        )
        worker.kill()
        # As if the leases of the killed worker had run out.
        ask_database(country, "update outbox set due_at = created_at where done_at is null")
    began = time.monotonic()
    working(guichet_processes, country)
    wait_for(lambda: is_done(country), what="nothing is left to send", within=400, pause=0.5)
    seconds = time.monotonic() - began

    twice = check_mails(country, smtp_server, ready)
    record_fault(
        f"processes: worker killed twice while a list of {number_of_lines:,} people is invited",
        tried=ready,
        survived=ready,
        doubled=len(twice),
        seconds=seconds,
        said=f"{ready} of the lines are fit to be sent; the list says so when it is done",
    )
    check_room(told_room_actions.rooms[ROOM], ready)
    assert Counter(
        dict(ask_database(country, "select step, count(*) from people_list_rows group by step"))
    ) == {
        "": number_of_lines - ready,
        "invited": ready,
    }
    again = send(guichet_processes, country, file, "--yes")
    assert again["waiting"] == 0
    assert Counter(row["outcome"] for row in again["rows"])["already_invited"] == ready
    assert len({mail["Message-ID"] for mail in smtp_server.messages}) == ready + 1


def working(processes, environment):
    """A worker whose bell was rung; the timetable would do it within a quarter of a minute."""
    worker = processes.worker(environment, "--concurrency", "3")
    with Celery(broker=environment["GUICHET_BROKER_URL"], set_as_current=False) as bell:
        for lane in Lane:
            bell.send_task("workers.tasks.empty_outbox", args=[str(lane)], queue=str(lane))
    return worker


def is_done(environment) -> bool:
    """Nothing waits, and the list says so itself."""
    waits = "select 1 from outbox where done_at is null and gave_up_at is null limit 1"
    done = "select 1 from people_lists where state = 'done'"
    return bool(not ask_database(environment, waits) and ask_database(environment, done))


def check_mails(environment, smtp_server, ready) -> set[str]:
    """At most the mail that was on the wire when a worker died came twice, under one Message-ID.

    It is marked. Gives who got one twice.
    """
    told = Counter(delivery.recipients[0] for delivery in smtp_server.deliveries)
    assert told.pop(HERS) == 1
    assert len(told) == ready
    twice = {address for address, count in told.items() if count > 1}
    ids = Counter(mail["Message-ID"] for mail in smtp_server.messages)
    assert {mail["To"] for mail in smtp_server.messages if ids[mail["Message-ID"]] > 1} == twice
    query = (
        "select mails.address from mails join outbox on outbox.subject_id = mails.id"
        " where outbox.uncertain > 0"
    )
    assert twice <= {address for (address,) in ask_database(environment, query)}
    return twice


def check_room(room, ready):
    """Each address stands in the room under one token, however often the desk was asked."""
    tokens = {}
    for token, address in room.sent:
        assert tokens.setdefault(address, token) == token
    assert len(tokens) == len(room.events) == ready
