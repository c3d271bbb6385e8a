"""A key is renewed while Guichet runs: what some process cannot read is never made."""

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from identity.core import journal, key_uses
from identity.core.journal import Actor
from identity.core.sealing import Vault
from identity.core.tokens import Tokens
from identity.invitations.models import ThirdPartyInvitation
from identity.keys import renewal, service as signing_keys
from identity.keys.fingerprints import fingerprint
from identity.keys.key_sets import (
    AlreadyInUse,
    AmbiguousKey,
    KeyInUse,
    Keys,
    KeySet,
    UnknownFingerprint,
)
from identity.keys.renewal import NodeKeys, NotYet
from identity.maintenance import keys_in_use
from tests.worlds.inviting import Inviting

OLGA = Actor("Olga", "here", "yearly")
OLD, NEW, THIRD = (f"a key for the tests of renewal, number {number}" for number in range(3))
A, B, C = (fingerprint(SecretStr(text)) for text in (OLD, NEW, THIRD))


def link(*texts: str) -> Keys:
    return Keys(KeySet.LINK, texts)


def node(name: str, *texts: str, key_set: str = "link") -> NodeKeys:
    return NodeKeys(name, {key_set: [fingerprint(SecretStr(text)) for text in texts]})


def test_the_last_key_is_in_use_for_every_version_at_every_step():
    """An older version knows nothing of staging: it reads the same lists, and understands them."""
    staged = link(OLD).staged(NEW)
    changed = staged.activated(B)
    assert [keys.texts for keys in (staged, changed)] == [(NEW, OLD), (OLD, NEW)]
    for keys, used in ((staged, OLD), (changed, NEW), (changed.retired(A), NEW)):
        old_code = Tokens([SecretStr(text) for text in keys.texts])
        signs = Tokens([SecretStr(used)])
        assert old_code.sign_browser("Ana's") == signs.sign_browser("Ana's")
        assert Vault([SecretStr(text) for text in keys.texts]).is_newest(
            Vault([SecretStr(used)]).seal("x")
        )


def test_fingerprints_tell_keys_apart_and_do_not_show_them():
    assert len({A, B, C}) == 3
    assert link(OLD, NEW).fingerprints == (A, B)
    assert link(OLD, NEW).active == B


def test_steps_that_make_no_sense_are_refused():
    keys = link(OLD, NEW)
    assert keys.staged(OLD) == keys
    with pytest.raises(UnknownFingerprint, match=f"{A}, {B}"):
        keys.activated("0123456789ab")
    with pytest.raises(KeyInUse):
        keys.retired(B)


@pytest.fixture
def session(services):
    with services.database.transaction() as session:
        yield session


def activate(session, now, keys, which=None, nodes=()):
    return renewal.activate(session, now, OLGA, keys, which=which, nodes=nodes)


def test_a_key_comes_into_use_when_every_running_process_knows_it(session, clock):
    keys = renewal.stage(session, clock(), OLGA, link(OLD), NEW)
    key_uses.record(session, clock(), keys={"link": keys.fingerprints})
    late = node("worker on b", OLD)
    with pytest.raises(NotYet, match="worker on b"):
        activate(session, clock(), keys, nodes=[node("web on a", NEW, OLD), late])
    ready = [node("web on a", NEW, OLD), node("worker on b", OLD, NEW)]
    assert activate(session, clock(), keys, nodes=ready).active == B
    with pytest.raises(AlreadyInUse):
        activate(session, clock(), keys, which=A)
    with pytest.raises(NotYet, match="of an older version"):
        activate(session, clock(), keys, nodes=[NodeKeys("worker of an older version", {})])
    told = [(row.action, row.subject, row.actor) for row in journal.find_recent(session)][:2]
    assert told == [("keys.activate", B, "Olga"), ("keys.stage", B, "Olga")]
    assert all(
        OLD not in row.facts and NEW not in row.facts for row in journal.find_recent(session)
    )


def test_a_key_is_named_where_it_is_not_clear_which_is_meant(session, clock):
    keys = link(NEW, THIRD, OLD)
    with pytest.raises(AmbiguousKey, match=f"{B}, {C}"):
        activate(session, clock(), keys)
    key_uses.record(session, clock(), keys={"link": [C]})
    assert activate(session, clock(), keys).active == B
    with pytest.raises(AmbiguousKey, match="guichet keys stage"):
        activate(session, clock(), link(OLD))
    with pytest.raises(AmbiguousKey, match=f"{B}, {C}"):
        renewal.old_key(keys)


def retire(session, now, keys, services, which=A, nodes=(), *, leaked=False):
    needed = keys_in_use.find_needs(
        session, now, keys, which=which, hashes=services.hashes, leaked=leaked
    )
    return renewal.retire(session, now, OLGA, keys, which=which, nodes=nodes, needed=needed)


def test_a_link_key_is_retired_30_days_after_it_was_last_in_use_anywhere(session, services, clock):
    keys = link(OLD, NEW)
    with pytest.raises(NotYet, match="No process has recorded"):
        retire(session, clock(), keys, services)
    key_uses.record(session, clock(), keys={"link": [A]})
    clock.advance(days=2)
    key_uses.record(session, clock(), keys={"link": [A, B]})
    with pytest.raises(NotYet, match=r"retire it after 2027-03-31 09:05Z, or now with --leaked"):
        retire(session, clock(), keys, services)
    clock.advance(days=28, minutes=6)
    with pytest.raises(NotYet, match=f"{A} is in use at web on a"):
        retire(session, clock(), keys, services, nodes=[node("web on a", NEW, OLD)])
    assert retire(session, clock(), keys, services, nodes=[node("web on a", OLD, NEW)]) == link(NEW)


def test_a_key_that_leaked_is_retired_at_once(session, services, clock):
    key_uses.record(session, clock(), keys={"link": [A, B]})
    assert retire(session, clock(), link(OLD, NEW), services, leaked=True) == link(NEW)


def test_a_key_that_was_never_seen_in_use_counts_from_the_first_record(session, services, clock):
    """Nothing was recorded before this version: it may have been in use until then."""
    key_uses.record(session, clock(), keys={"link": [A, B]})
    clock.advance(days=29)
    with pytest.raises(NotYet, match="2027-03-31"):
        retire(session, clock(), link(OLD, NEW), services)
    clock.advance(days=2)
    assert retire(session, clock(), link(OLD, NEW), services) == link(NEW)


def test_an_invitation_that_was_extended_keeps_the_key_of_its_links(services, rules, clock):
    with services.database.transaction() as session:
        key_uses.record(session, clock(), keys={"link": [A, B]})
    Inviting(services.database, rules, clock, services.hashes).store()
    clock.advance(days=31)
    with services.database.transaction() as session:
        session.execute(
            update(ThirdPartyInvitation).values(
                expires_at=clock() + timedelta(days=9), created_at=clock() - timedelta(days=31)
            )
        )
        with pytest.raises(NotYet, match="1 invitations still stand"):
            retire(session, clock(), link(OLD, NEW), services)
        clock.advance(days=10)
        assert retire(session, clock(), link(OLD, NEW), services) == link(NEW)


def test_a_storage_key_is_retired_when_nothing_is_sealed_with_it(services, vault, clock):
    """The key of hashes and the first signing key are sealed by the key of the services."""
    [old] = ["a storage key for the tests"]
    keys = Keys(KeySet.STORAGE, (old, NEW))
    with services.database.transaction() as session:
        signing_keys.current_key(session, vault, clock())
    with services.database.transaction() as session, pytest.raises(NotYet, match="2 secrets"):
        retire(session, clock(), keys, services, which=fingerprint(SecretStr(old)))
    signing_keys.reseal(services.database, Vault([SecretStr(old), SecretStr(NEW)]))
    with services.database.transaction() as session:
        kept = retire(session, clock(), keys, services, which=fingerprint(SecretStr(old)))
    assert kept.texts == (NEW,)


def test_what_is_recorded_of_keys_is_written_seldom_and_forgotten(session, clock):
    key_uses.record(session, clock(), keys={"link": [A], "storage": [B], "homeserver": []})
    clock.advance(minutes=1)
    key_uses.record(session, clock(), keys={"link": [A]})
    assert key_uses.last_active(session, "link", A) == clock() + timedelta(minutes=4)
    assert key_uses.was_active(session, "storage", B)
    assert not key_uses.was_active(session, "link", B)
    clock.advance(days=401)
    key_uses.record(session, clock(), keys={"link": [C]})
    assert key_uses.forget(session, clock(), limit=9) == 2
