"""The task of a night: it deletes, seals anew and settles, each in transactions of its own."""

import dataclasses

from pydantic import SecretStr

from identity.core.sealing import Vault
from identity.keys import service as signing_keys
from identity.sign_up.models import VerificationRequest
from tests.worlds.services import *
from workers import tasks


def test_a_night_deletes_what_is_old_and_seals_with_the_key_in_use(services, request_, clock):
    old, new = (
        SecretStr("a storage key for the tests"),
        SecretStr("the storage key in use from now"),
    )
    with services.database.transaction() as session:
        signing_keys.current_key(session, services.vault, clock())
    renewed = dataclasses.replace(services, vault=Vault([old, new]))
    clock.advance(days=40)
    tasks._clean_up(renewed)
    with services.database.reading() as session:
        assert session.get(VerificationRequest, request_.id) is None
        assert signing_keys.count_closed(session, Vault([new])) == 0
        assert renewed.hashes.is_made(session)
