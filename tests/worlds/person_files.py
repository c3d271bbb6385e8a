"""Support opens the file of a person, whose codes may be locked."""

import pytest

from identity.core.journal import Actor
from identity.core.one_time_codes.models import OneTimeCode, Purpose, WrongTry
from identity.operators.roles import ALL, Role
from identity.people import files
from tests.worlds.one_person.names import CAMILLE

TICKET = Actor("Sami", "console from 127.0.0.0/24", "ticket 4412")


@pytest.fixture
def sami(make_operator):
    return make_operator("Sami", Role.SUPPORT)


@pytest.fixture
def open_file(services, sami):
    def open_file(address=CAMILLE, scope=ALL):
        with services.database.transaction() as session:
            made = files.open_file(
                *(session, services.hashes, services.rules.current(), services.now(), TICKET),
                address=address,
                operator_id=sami.id,
                scope=scope,
            )
            return made.id if made else None

    return open_file


@pytest.fixture
def find(services, sami):
    def find(session, file_id, operator_id=None, scope=ALL):
        return files.find(
            *(session, services.rules.current(), services.now(), file_id),
            operator_id=operator_id or sami.id,
            scope=scope,
        )

    return find


def lock_codes(services, address, wrong=5):
    with services.database.transaction() as session:
        now = services.now()
        session.add(
            OneTimeCode(
                purpose=Purpose.SIGN_UP,
                subject=address,
                generation=1,
                digits=6,
                key_id="k",
                alive_until=now.replace(year=now.year + 1),
                wrong=min(wrong, 5),
                wrong_held=2,
            )
        )
        for _ in range(wrong):
            session.add(
                WrongTry(
                    at=now, purpose="sign_up", address=address, near="n", far="f", guessed_digits=6
                )
            )
