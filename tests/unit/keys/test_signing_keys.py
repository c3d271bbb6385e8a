"""The keys of the service are one for all nodes, and whatever is sealed follows the newest storage key."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from identity.core.journal import Actor
from identity.core.sealing import Vault
from identity.core.signatures import verify
from identity.keys import models as rows, service as signing_keys
from identity.keys.service import UnknownKey

US = Actor("tests", "here")
OLD = SecretStr("a storage key for the tests")  # of `services`
NEW = SecretStr("a new storage key")


def test_nodes_that_need_the_first_key_at_once_make_one(database, clock):
    vault = Vault([OLD])

    def need(_):
        with database.transaction() as session:
            return signing_keys.current_key(session, vault, clock()).key_id

    with ThreadPoolExecutor(8) as nodes:
        named = set(nodes.map(need, range(16)))
    with database.reading() as session:
        assert [row.key_id for row in rows.find_all(session)] == list(named)


def test_what_an_old_key_signed_is_signed_again_after_a_rotation(services, clock):
    with services.database.transaction() as session:
        old = signing_keys.current_key(session, services.vault, clock())
        signing_keys.rotate(session, services.vault, clock(), US)
    signed = services.sign({"token": "x"}, old.key_id)
    verify(
        signed,
        signer=services.settings.server_name,
        key_id=old.key_id,
        public_key=old.public,
    )


def test_a_key_that_is_not_here_signs_nothing(services):
    with pytest.raises(UnknownKey):
        services.sign({}, "ed25519:other")


def test_after_sealing_anew_the_old_storage_key_may_go(services, clock):
    both = Vault([OLD, NEW])
    with services.database.transaction() as session:
        key = signing_keys.current_key(session, Vault([OLD]), clock())
    assert signing_keys.reseal(services.database, both).count == 2  # and the key of hashes
    assert signing_keys.reseal(services.database, both).count == 0
    with services.database.reading() as session:
        alone = Vault([NEW])
        assert signing_keys.find_key(session, alone, key.key_id).public == key.public


def test_what_no_key_opens_is_counted_and_left_as_it_is(services, clock):
    with services.database.transaction() as session:
        signing_keys.current_key(session, Vault([OLD]), clock())
    resealed = signing_keys.reseal(services.database, Vault([NEW]))
    assert (resealed.count, resealed.closed) == (0, 2)
    with services.database.reading() as session:
        assert signing_keys.count_closed(session, Vault([NEW])) == 2
        assert signing_keys.count_closed(session, Vault([OLD])) == 0


def test_a_run_whose_time_is_over_is_gone_on_with(services, clock):
    with services.database.transaction() as session:
        signing_keys.current_key(session, Vault([OLD]), clock())
    both, turns = Vault([OLD, NEW]), iter([False, False])
    first = signing_keys.reseal(services.database, both, until=lambda: next(turns, True))
    assert not first.is_whole
    second = signing_keys.reseal(services.database, both)
    assert (first.count + second.count, second.is_whole) == (2, True)
