"""`guichet guest`: whose access ends when; ended and extended."""

from datetime import timedelta

import pytest

from domain_rules.addresses import EmailAddress
from identity.accounts import models as accounts
from identity.accounts.models import Account
from identity.binding import service as binding
from identity.core.clock import utc_now
from identity.invitations import service as invitations
from identity.invitations.models import ThirdPartyInvitation
from identity.routing import models as rules
from identity.threepids import account_models as identity_accounts, associations
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS

GIL, HIS = f"@gil:{GUESTS}", "gil@association.example"
ZOE = f"@zoe:{EDUCATION}"
WHY = ("--reason", "he has left")


@pytest.fixture
def guest(federation, opened):
    with opened.transaction() as session:
        session.add(
            Account(
                address=HIS,
                user_id=GIL,
                homeserver=GUESTS,
                account_class="guest",
                display_name="Gil",
                language="fr",
                state="ready",
                creation_mark="mark",
                created_at=utc_now(),
                ready_at=utc_now(),
                sponsor=ZOE,
                access_ends_at=utc_now() + timedelta(days=100),
            )
        )
        session.flush()
        binding.record_verified(session, utc_now(), address=HIS, user_id=GIL)
        identity_accounts.issue(session, utc_now(), user_id=GIL)
    return federation


@pytest.fixture
def invite(opened):
    def invite(address=HIS, room="!room:x"):
        with opened.transaction() as session:
            now = utc_now()
            session.add(
                ThirdPartyInvitation(
                    address=address,
                    room_id=room,
                    sender=ZOE,
                    token=f"token of {room}",
                    public_key=f"key of {room}",
                    sealed_key="sealed",
                    signing_key_id="ed25519:0",
                    facts={},
                    for_guest=True,
                    created_at=now,
                    expires_at=now + timedelta(days=30),
                )
            )

    return invite


def may_register(opened, address=HIS) -> bool:
    with opened.reading() as session:
        now = utc_now()
        current = rules.load_rule_set(session, at=now)
        return invitations.may_register(session, current, now, EmailAddress.parse(address))


def test_guests_are_listed_by_their_end(guest):
    [told] = guest.json("guest", "list")
    assert (told["user_id"], told["sponsor"], told["has_ended"]) == (GIL, ZOE, False)
    assert told["address"] == "g•••@association.example"
    assert GIL in guest("guest", "list").stdout
    soon = (utc_now() + timedelta(days=10)).date().isoformat()
    assert guest.json("guest", "list", "--ending-before", soon) == []


@pytest.mark.parametrize("named", [GIL, "Gil@Association.example"])
def test_the_access_of_a_guest_ends(guest, opened, invite, named):
    invite()
    assert may_register(opened)
    guest("guest", "end", named, *WHY, "--dry-run")
    assert may_register(opened)
    told = guest.json("guest", "end", named, *WHY)
    assert (told["user_id"], told["invitations"]) == (GIL, 1)
    assert guest.json("guest", "list")[0]["has_ended"]
    with opened.reading() as session:
        assert associations.find_by_address(session, HIS) is None
        assert identity_accounts.count_tokens(session, GIL, utc_now()) == 0
    invite(room="!another:x")
    assert not may_register(opened), "whoever invites again does not undo it"
    row = guest.json("journal", "list", "--action", "guest.end")[0]
    assert row["subject"].startswith("person:")
    assert row["reason"] == "he has left"
    assert "guest.end by" in guest("person", "show", HIS).stdout
    rows = len(guest.json("journal", "list"))
    guest("guest", "end", named, *WHY)
    assert len(guest.json("journal", "list")) == rows + 1  # the second invitation ended
    guest("guest", "end", named, *WHY)
    assert len(guest.json("journal", "list")) == rows + 1


def test_access_is_extended_and_what_waited_is_delivered(guest, opened, invite):
    guest("guest", "end", GIL, *WHY)
    invite(room="!another:x")
    day = (utc_now() + timedelta(days=30)).date().isoformat()
    told = guest.json("guest", "extend", GIL, "--until", day, *WHY)
    assert not told["has_ended"]
    assert may_register(opened) is False  # the invitation is on its way to his account
    with opened.reading() as session:
        assert associations.find_by_address(session, HIS).user_id == GIL
        assert session.query(ThirdPartyInvitation).one().invitee == GIL
    rows = len(guest.json("journal", "list"))
    guest("guest", "extend", HIS, "--until", day, *WHY)
    assert len(guest.json("journal", "list")) == rows


@pytest.mark.parametrize("days", [-1, 800])
def test_access_ends_in_the_future_and_within_two_years(guest, days):
    day = (utc_now() + timedelta(days=days)).date().isoformat()
    said = guest("guest", "extend", GIL, "--until", day, *WHY, ends=3).stderr
    assert "two years" in said
    guest("guest", "extend", GIL, "--until", "tomorrow", *WHY, ends=2)


def test_who_is_only_invited_is_invited_no_more(guest, opened, invite):
    invite("lea@asso.example")
    assert may_register(opened, "lea@asso.example")
    told = guest.json("guest", "end", "lea@asso.example", *WHY)
    assert (told["user_id"], told["invitations"]) == (None, 1)
    assert not may_register(opened, "lea@asso.example")
    day = (utc_now() + timedelta(days=30)).date().isoformat()
    said = guest("guest", "extend", "lea@asso.example", "--until", day, *WHY, ends=1).stderr
    assert "nothing to extend" in said


def test_agents_and_unknown_people_have_no_such_end(guest, opened):
    guest("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    with opened.transaction() as session:
        binding.record_verified(session, utc_now(), address="zoe@ac-rouen.example", user_id=ZOE)
    for named in (ZOE, "zoe@ac-rouen.example", "other@ac-rouen.example"):
        assert "agent" in guest("guest", "end", named, *WHY, ends=3).stderr
    for named, code in (("@nobody:x.example", 1), ("nobody@asso.example", 1), ("@nobody", 2)):
        guest("guest", "end", named, *WHY, ends=code)


def test_who_registered_in_a_client_can_be_ended_too(federation, opened):
    with opened.transaction() as session:
        binding.record_verified(session, utc_now(), address=HIS, user_id=GIL)
    assert federation.json("guest", "end", HIS, *WHY)["user_id"] == GIL
    with opened.reading() as session:
        assert accounts.find_by_user_id(session, GIL).access_ends_at is not None
