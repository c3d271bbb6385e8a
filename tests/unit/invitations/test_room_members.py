"""Who is known to be in a room: an inviter who is there, too, is told whom the address belongs to, however it is typed."""

import uuid

import pytest

from identity import problems
from identity.accounts import ends as account_ends, room_members
from identity.binding import service as binding
from identity.core.outbox import JobKind
from identity.homeservers import modules as homeserver_modules
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.synapse_api import reports as module_reports
from tests.worlds.inviting import GIL, ROOM, ZOE, Inviting
from tests.worlds.sign_ups import *

EDUCATION, GUESTS = "education.example", "guests.example"
GILS = f"@gil:{GUESTS}"
IN_ROOM = {"room_id": ROOM, "user_id": GILS, "by": GILS}


@pytest.fixture
def zoe(database, rules, clock) -> Inviting:
    made = Inviting(database, rules, clock)
    made.open_homeservers()
    return made


@pytest.fixture
def report(database, rules, clock):
    def report(kind, homeserver=GUESTS, **facts):
        with database.transaction() as session:
            return module_reports.process(
                session,
                rules,
                clock(),
                policy="rule",
                homeserver=homeserver,
                report_id=uuid.uuid4(),
                content={"kind": kind, "at": 1, **facts},
            ).result

    return report


@pytest.fixture
def together(zoe, report, database, clock):
    """Zoé invited by mail in the room, and Gil, who has his address, has joined it."""
    first = zoe.store()
    sent = {"room_id": ROOM, "token": first.token, "sender": ZOE}
    assert report("third_party_invited", EDUCATION, **sent) == "ok"
    with database.transaction() as session:
        binding.associate(session, clock(), address=GIL, user_id=GILS)
    report("joined", **IN_ROOM)


@pytest.mark.parametrize("typed", [GIL.upper(), GIL.title()])
def test_who_is_in_the_room_is_named_to_who_is_there_too(zoe, together, typed):
    with pytest.raises(problems.AddressBound) as told:
        zoe.store(typed)
    assert told.value.further == {"mxid": GILS}


def leaves(zoe, report):
    report("left", **IN_ROOM | {"by": ZOE})


def loses_the_inviter(zoe, report):
    report("left", EDUCATION, room_id=ROOM, user_id=ZOE, by=ZOE)


def is_deactivated(zoe, report):
    with zoe.database.transaction() as session:
        account_ends.end_account(session, zoe.clock(), GILS)
        binding.associate(session, zoe.clock(), address=GIL, user_id=f"@gil2:{GUESTS}")


@pytest.mark.parametrize("change", [leaves, loses_the_inviter, is_deactivated])
def test_of_who_is_not_known_to_be_there_nothing_is_told(zoe, report, together, change):
    change(zoe, report)
    row = zoe.store(GIL.upper())
    with zoe.database.reading() as session:
        assert zoe.read_in(session, row).delivery == Delivery.DUE


def test_in_another_room_nothing_is_told(zoe, together):
    assert zoe.store(GIL.upper(), room_id="!other:education.example")


def test_nobody_speaks_for_others(zoe, report):
    row = zoe.store()
    sent = {"room_id": ROOM, "token": row.token, "sender": ZOE}
    assert report("third_party_invited", GUESTS, **sent) == "rejected"
    assert report("third_party_invited", EDUCATION, **sent | {"room_id": "!x:y"}) == "ignored"
    assert report("third_party_invited", EDUCATION, **sent | {"token": "another"}) == "ignored"
    other = sent | {"sender": f"@ada:{EDUCATION}"}
    assert report("third_party_invited", EDUCATION, **other) == "ignored"


def test_who_was_not_invited_by_mail_is_not_kept(zoe, database, report):
    zoe.store()
    report("joined", **IN_ROOM)
    with database.reading() as session:
        assert not room_members.are_in(session, ROOM, {GILS})


@pytest.mark.parametrize("by", [GILS, ZOE])
def test_who_is_out_again_leaves_no_event_behind_that_keeps_the_room_from_closing(
    zoe, report, database, clock, by
):
    row = zoe.store()
    with database.transaction() as session:
        binding.associate(session, clock(), address=GIL, user_id=GILS)
    with database.transaction() as session:
        session.get_one(ThirdPartyInvitation, row.id).delivery = Delivery.DELIVERED
    report("joined", **IN_ROOM)
    assert zoe.errands(JobKind.REVOCATION) == 0
    report("left", **IN_ROOM | {"by": by})
    assert zoe.errands(JobKind.REVOCATION) == 1


def test_every_kind_of_report_can_be_declared():
    assert frozenset(module_reports.KINDS) == homeserver_modules.REPORTS
