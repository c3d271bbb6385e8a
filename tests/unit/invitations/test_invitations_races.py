"""Two who act on one invitation at once: one row, one mail, one end."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import func, select

from identity import problems
from identity.binding import service as binding
from identity.core import journal
from identity.core.journal import Actor
from identity.invitations import blocks, service as invitations
from identity.invitations.inviters import MAX_GUESTS
from identity.invitations.models import ThirdPartyInvitation
from tests.worlds.inviting import GIL, ZOE, Inviting
from tests.worlds.sign_ups import *

THREADS = 8


@pytest.fixture
def zoe(database, rules, clock) -> Inviting:
    made = Inviting(database, rules, clock)
    made.open_homeservers()
    return made


def at_once(*acts):
    """What each of them came to; all begin together."""
    together = Barrier(len(acts))

    def begin(act):
        together.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(begin, acts))


def rows(zoe):
    with zoe.database.reading() as session:
        return session.scalar(select(func.count()).select_from(ThirdPartyInvitation))


@pytest.mark.slow
def test_the_same_invitation_stored_by_many_at_once_is_one_with_one_mail(zoe):
    stored = at_once(*[zoe.store] * THREADS)
    assert len({row.token for row in stored}) == 1
    assert rows(zoe) == 1
    assert zoe.mails() == [("invite", "waiting")]


def test_of_many_who_revoke_it_one_does(zoe):
    row = zoe.store()
    done = at_once(*[lambda: zoe.act(invitations.revoke, row, by=ZOE)] * THREADS)
    assert sorted(done) == [False] * (THREADS - 1) + [True]
    assert zoe.history(row).count("revoked") == 1


def test_revoked_while_the_person_comes_it_is_revoked_or_delivered_never_both(zoe):
    def come():
        with zoe.database.transaction() as session:
            binding.associate(session, zoe.clock(), address=GIL, user_id="@gil:guests.example")

    row = zoe.store()
    _, revoked = at_once(come, lambda: zoe.act(invitations.revoke, row, by=ZOE))
    assert revoked
    assert (zoe.where(row), zoe.read(row).delivery) == ("revoked", "waiting")


@pytest.mark.slow
def test_sent_again_by_many_at_once_it_leaves_once(zoe, clock):
    row = zoe.store()
    zoe.relay_takes_all()
    clock.advance(hours=2)
    done = at_once(*[lambda: zoe.act(invitations.resend, row, by=ZOE)] * THREADS)
    assert sorted(done) == [False] * (THREADS - 1) + [True]
    assert len(zoe.mails()) == 2


@pytest.mark.slow
def test_of_many_who_take_the_last_place_of_the_day_one_gets_it(zoe):
    for number in range(MAX_GUESTS - 1):
        zoe.store(f"guest{number}@association.example")

    def one_more(number):
        try:
            zoe.store(f"last{number}@association.example")
        except problems.TooManyInvitations:
            return False
        return True

    done = at_once(*[partial(one_more, number) for number in range(THREADS)])
    assert sorted(done) == [False] * (THREADS - 1) + [True]
    assert rows(zoe) == MAX_GUESTS


def test_of_those_who_block_an_inviter_at_once_one_begins_and_one_ends_it(database, clock, hashes):
    def do(deed):
        with database.transaction() as session:
            who = Actor("Olga", "here", "an incident")
            return deed(session, clock(), who, "@ana:agents.example", hashes=hashes)

    at_once(*[partial(do, blocks.block)] * THREADS)
    done = at_once(*[partial(do, blocks.unblock)] * THREADS)
    assert sorted(done) == [*[False] * (THREADS - 1), True]
    with database.reading() as session:
        found = journal.find_recent(session, action="inviter")
    before = [json.loads(row.facts)["before"] for row in found if row.action == "inviter.block"]
    assert (len(before), before.count(None), len(found)) == (THREADS, 1, THREADS + 1)
