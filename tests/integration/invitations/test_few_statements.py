"""What the endpoints that cause mails ask of the database: few statements, in one transaction.

Each costs more than what it does, and locks are held meanwhile. Who asks is looked up before, apart.
"""

from contextlib import contextmanager

import pytest
from sqlalchemy import event

from tests.worlds.api import *
from tests.worlds.programs import ADDRESS, CAMILLE, Program

MOST = 6  # statements of one request
REMEMBERED = 4096  # characters: psycopg reads a longer statement again each time it is sent
GIL = "gil.perrin@association.example"
INVITATION = {
    "medium": "email",
    "address": GIL,
    "room_id": "!room:education.example",
    "sender": CAMILLE,
}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request) -> str:
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def camille(public, decided) -> Program:
    return Program(public, decided)


@contextmanager
def transactions(engine):
    """The statements of each transaction that writes."""
    found: list[list[str]] = []
    current: list[str] = []

    def note(_connection, _cursor, statement, *_others):
        current.append(statement)

    def end(_connection):
        if any(text.startswith(("INSERT", "UPDATE", "WITH")) for text in current):
            found.append(list(current))
        current.clear()

    listened = {"before_cursor_execute": note, "commit": end, "rollback": end}
    for name, function in listened.items():
        event.listen(engine, name, function)
    try:
        yield found
    finally:
        for name, function in listened.items():
            event.remove(engine, name, function)


@contextmanager
def written(engine):
    """What each statement was made of, with what it was at the driver."""
    found: list[tuple[object, str]] = []

    def note(connection, element, _many, _values, _options, result):
        found.append((element, str(result.context.statement)))

    event.listen(engine, "after_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "after_execute", note)


def cost(program, ask) -> int:
    """How many statements the one transaction of a request has."""
    with transactions(program.services.database.engine) as found:
        assert ask().status_code == 200
    (statements,) = found
    own = [text for text in statements if not text.startswith(("BEGIN", "PRAGMA"))]
    return len(own)


def on_postgresql(program) -> bool:
    return program.services.database.engine.dialect.name == "postgresql"


def test_a_code_is_requested_by_few_statements(camille, clock):
    first = cost(camille, camille.ask)
    clock.advance(minutes=2)
    link = "https://app.element.io/done"
    again = cost(camille, lambda: camille.ask(send_attempt=2, next_link=link))
    assert max(first, again) <= MOST
    # The lock, what is known, and the rows.
    assert first == (3 if on_postgresql(camille) else 4)


def test_an_invitation_is_stored_by_few_statements(camille, clock):
    def invite(address=GIL):
        return camille.post("/store-invite", **INVITATION | {"address": address})

    invite("another@association.example")  # which makes the first signing key
    first = cost(camille, invite)
    clock.advance(minutes=2)
    again = cost(camille, invite)
    assert max(first, again) <= MOST
    assert first == (3 if on_postgresql(camille) else 4)


def test_a_code_for_an_address_of_somebody_costs_the_same(camille):
    """Nothing is looked up beside what is known of the request itself."""
    known = cost(camille, lambda: camille.ask(email=ADDRESS))
    assert known == cost(camille, lambda: camille.ask(email="nobody@ac-rouen.example"))


@pytest.mark.parametrize("asked", ["code", "invitation"])
def test_statements_are_written_once_and_not_for_each_request(camille, asked):
    """To build one, and to find out that it was compiled before, costs more than to carry it out."""

    def ask(number: int):
        address = f"nobody{number}@association.example"
        if asked == "code":
            return camille.ask(email=address)
        return camille.post("/store-invite", **INVITATION | {"address": address})

    def sent_by(number: int):
        with written(camille.services.database.engine) as found:
            assert ask(number).status_code == 200
        return found

    sent_by(0)  # which makes the first signing key
    first, second = sent_by(1), sent_by(2)
    assert [text for _, text in first] == [text for _, text in second]
    assert max(len(text) for _, text in first) <= REMEMBERED
    assert all(before is now for (before, _), (now, _) in zip(first, second, strict=True))
