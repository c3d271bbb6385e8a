"""The keys of the service are one for all nodes, and whatever is sealed follows the newest storage key."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from identity.core.journal import Actor
from identity.core.sealing import CannotOpen, Vault
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
        assert signing_keys.reseal(session, both) == 2  # and the key of hashes
    with services.database.reading() as session:
        alone = Vault([NEW])
        assert signing_keys.find_key(session, alone, key.key_id).public == key.public


def test_without_the_key_in_use_nothing_is_sealed_anew(services, clock):
    with services.database.transaction() as session:
        signing_keys.current_key(session, Vault([OLD]), clock())
    with services.database.transaction() as session, pytest.raises(CannotOpen):
        signing_keys.reseal(session, Vault([NEW]))
