"""What somebody has refused stays refused, whatever becomes of the keys."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select

from identity.core import keyed_hashes
from identity.core.keyed_hashes import HashingKey, KeyedHashes, LostKey, bounce_mark_by
from identity.core.one_time_codes.limits import networks_of_caller
from identity.core.sealing import CannotOpen, Vault
from identity.core.tokens import Tokens
from identity.invitations import mute_models as mutes, muting, opting_out
from identity.invitations.mute_models import Mute
from identity.keys import service as signing_keys
from identity.mail import results as mail_results, suppressions
from identity.mail.suppressions import Suppression, SuppressionReason
from tests.worlds.sign_ups import *

OLD_LINKS, NEW_LINKS = SecretStr("the link key of before"), SecretStr("the link key of today")
OLD_STORAGE, NEW_STORAGE = SecretStr("the storage key of before"), SecretStr("that of today")
GIL, ZOE = "gil@association.example", "@zoe:education.example"
AT = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
MAIL = uuid.UUID("1f2e3d4c-0000-4000-8000-00000000abcd")


def node(*, links=(OLD_LINKS,), storage=(OLD_STORAGE,)) -> KeyedHashes:
    """A process with these keys, newly started."""
    return KeyedHashes(Vault(storage), Tokens(links))


def by_link_key(address, key=OLD_LINKS):
    """The hash of a version before."""
    return keyed_hashes._hex(key.get_secret_value(), f"guichet suppression:{address}")


def refuse(session, hashes, now, address=GIL):
    muting.mute(session, hashes, now, address=address, sender=ZOE)
    opting_out.opt_out(session, hashes, now, address)


def is_refused(session, hashes, address=GIL):
    return muting.is_muted(session, hashes, address=address, sender=ZOE), opting_out.has_opted_out(
        session, hashes, address
    )


def test_link_keys_may_be_renewed_and_removed(database, clock):
    with database.transaction() as session:
        refuse(session, node(), clock())
        network = networks_of_caller(session, node(), "198.51.100.7", ())
        stands = node().pseudonym_of(session, GIL)
        mark = node().bounce_mark(session, MAIL)
    renewed = node(links=(NEW_LINKS,))
    with database.transaction() as session:
        assert is_refused(session, renewed) == (True, True)
        assert is_refused(session, renewed, "lea@association.example") == (False, False)
        assert networks_of_caller(session, renewed, "198.51.100.7", ()) == network
        assert renewed.pseudonym_of(session, GIL) == stands
        assert renewed.is_bounce_mark(session, mark, MAIL)
        assert not renewed.is_bounce_mark(session, mark, uuid.uuid4()), "a mark is for one mail"
        assert not renewed.is_bounce_mark(session, "a" * 24, MAIL)


def test_storage_keys_may_be_renewed_and_removed(database, clock):
    with database.transaction() as session:
        refuse(session, node(), clock())
    assert signing_keys.reseal(database, Vault([OLD_STORAGE, NEW_STORAGE])).count == 1
    with database.reading() as session:
        assert is_refused(session, node(storage=(NEW_STORAGE,))) == (True, True)
        with pytest.raises(CannotOpen):
            is_refused(session, node(storage=(OLD_STORAGE,)))


def test_without_the_storage_key_nobody_is_taken_for_willing(database, clock):
    with database.transaction() as session:
        refuse(session, node(), clock())
    with database.reading() as session, pytest.raises(CannotOpen):
        is_refused(session, node(storage=(NEW_STORAGE,)))


def test_the_key_stands_sealed_and_no_address_stands_in_the_rows(database, clock):
    with database.transaction() as session:
        refuse(session, node(), clock())
        [row] = session.scalars(select(HashingKey))
        own = node()._made(session).own
        assert own not in row.sealed_keys
        hashes = [*session.scalars(select(Mute.mailbox_hash))]
        hashes += session.scalars(select(Suppression.address_hash))
    assert len(hashes) == 2
    assert not any("gil" in each or "@" in each for each in hashes)


def test_what_a_version_before_hashed_goes_on_after_its_link_key_is_gone(database, clock):
    with database.transaction() as session:
        mutes.add(session, clock(), mailbox_hash=by_link_key(GIL), sender=ZOE)
        suppressions.add(session, clock(), by_link_key(GIL), SuppressionReason.OPTED_OUT)
        assert is_refused(session, node()) == (True, True)
        assert node().unsettled(session) == 2
        node().settle(session, clock.advance(hours=1))
        assert node().unsettled(session) == 0
    renewed = node(links=(NEW_LINKS,))
    with database.transaction() as session:
        assert is_refused(session, renewed) == (True, True)
        assert renewed.is_bounce_mark(
            session, bounce_mark_by(OLD_LINKS.get_secret_value(), MAIL), MAIL
        )
        assert muting.forget(session, renewed, GIL) == 1


def test_what_a_node_of_before_writes_during_the_upgrade_is_kept_the_night_after(database, clock):
    with database.transaction() as session:
        node().settle(session, clock())
        mutes.add(session, clock.advance(hours=1), mailbox_hash=by_link_key(GIL), sender=ZOE)
        suppressions.add(session, clock(), by_link_key(GIL), SuppressionReason.OPTED_OUT)
        assert node().unsettled(session) == 2
        node().settle(session, clock.advance(hours=1))
        assert is_refused(session, node(links=(NEW_LINKS,))) == (True, True)


def test_only_link_keys_that_hashed_something_are_kept_and_no_longer_than_that(database, clock):
    def before(session):
        return node()._made(session).before

    with database.transaction() as session:
        node().settle(session, clock())
        assert before(session) == (), "a new service keeps none"
        mutes.add(session, clock.advance(hours=1), mailbox_hash=by_link_key(GIL), sender=ZOE)
        node().settle(session, clock.advance(hours=1))
        assert before(session) == (OLD_LINKS.get_secret_value(),)
        renewed = node(links=(OLD_LINKS, NEW_LINKS))
        renewed.settle(session, clock.advance(hours=1))
        assert before(session) == (OLD_LINKS.get_secret_value(),), "a later one hashed nothing"
        muting.forget(session, node(), GIL)
        node().settle(session, clock.advance(hours=1))
        assert before(session) == ()


def test_refused_before_and_taken_back_in_time_is_taken_back(database, clock):
    with database.transaction() as session:
        mutes.add(session, clock(), mailbox_hash=by_link_key(GIL), sender=ZOE)
        suppressions.add(session, clock(), by_link_key(GIL), SuppressionReason.OPTED_OUT)
        refuse(session, node(), clock())
        assert len(session.scalars(select(Mute)).all()) == 1, "said once"
        assert muting.undo(session, node(), clock(), address=GIL, sender=ZOE)
        assert opting_out.undo(session, node(), clock(), GIL)
        assert is_refused(session, node()) == (False, False)


def test_processes_that_start_at_once_make_one_key(database):
    several = 6
    barrier = threading.Barrier(several)

    def start(_number):
        hashes = node()
        barrier.wait()
        with database.transaction() as session:
            made = hashes.hash_of_address(session, GIL)
            suppressions.add(session, AT, made, SuppressionReason.OPTED_OUT)
        return made

    with ThreadPoolExecutor(several) as threads:
        made = list(threads.map(start, range(several)))
    assert len(set(made)) == 1
    with database.reading() as session:
        assert node().hashes_of_address(session, GIL)[0] == made[0]


def test_a_key_that_is_not_kept_was_never_used(database, clock):
    hashes = node()
    with database.transaction() as session:
        refuse(session, hashes, clock())
        session.rollback()
    with database.transaction() as session:
        refuse(session, hashes, clock())
    with database.reading() as session:
        assert is_refused(session, node()) == (True, True)


def test_a_lost_key_is_never_replaced_in_silence(database, clock):
    with database.transaction() as session:
        refuse(session, node(), clock())
    with database.transaction() as session:
        session.execute(delete(HashingKey))
    for act in (is_refused, lambda session, hashes: refuse(session, hashes, clock())):
        with pytest.raises(LostKey), database.transaction() as session:
            act(session, node())
    with database.reading() as session:
        assert session.get(HashingKey, 1) is None


def test_a_second_strike_of_a_version_before_is_found_by_our_key(database, clock, hashes):
    """The row is hashed anew when it is written to."""
    with database.transaction() as session:
        day_before = clock() - timedelta(days=2)
        old = by_link_key(GIL, SecretStr("a-key-for-the-tests-that-is-long-enough"))
        until = day_before + timedelta(days=1)
        suppressions.add(session, day_before, old, SuppressionReason.NO_MAILBOX, until=until)
        mail_results._strike(session, hashes, clock(), GIL)
        [row] = session.scalars(select(Suppression))
        assert row.address_hash == hashes.hash_of_address(session, GIL)
        assert (row.strikes, row.until) == (2, None)
