"""Homeservers' secrets open for the worker, where the homeserver was when they were given, and through every upgrade."""

import pytest
from pydantic import SecretStr

from identity.core.sealing import CannotOpen, PrivateHalves, Vault, new_pair
from identity.homeservers import models as homeservers, secrets as homeserver_secrets
from identity.homeservers.secrets import FIELDS
from identity.registration.jobs import accounts as job

EDUCATION = "education.example"
SECRETS = {field: SecretStr(f"the {field}") for field in FIELDS}


@pytest.fixture
def stored(services):
    """The homeserver as it stands in the database."""

    def stored():
        with services.database.reading() as session:
            return homeservers.find(session, EDUCATION)

    return stored


@pytest.fixture
def sealed(services):
    """With its secrets, sealed as this version does."""
    with services.database.transaction() as session:
        row = homeservers.find(session, EDUCATION)
        row.connector = "synapse"
        for field, secret in SECRETS.items():
            homeserver_secrets.seal_secret(services.public_half, row, field, secret)


@pytest.fixture
def sealed_before(services):
    """With its secrets, sealed as the version before did: with storage keys."""
    with services.database.transaction() as session:
        row = homeservers.find(session, EDUCATION)
        row.connector = "synapse"
        for field, secret in SECRETS.items():
            setattr(row, field, services.vault.seal(secret.get_secret_value()))


def opened(services, row, halves=None):
    halves = halves or services.private_halves
    return {f: homeserver_secrets.open_secret(services.vault, halves, row, f) for f in FIELDS}


def reseal(services, public=None, halves=None):
    with services.database.transaction() as session:
        return homeserver_secrets.reseal(
            session, services.vault, public or services.public_half, halves
        )


def test_only_the_worker_opens_them(services, sealed, stored):
    assert opened(services, stored()) == SECRETS
    for field in FIELDS:
        with pytest.raises(CannotOpen):
            services.vault.open(getattr(stored(), field))


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://evil.example"},
        {"name": "other.example"},
        {"ca_pem": "another authority"},
        {"insecure": True},
    ],
    ids=["url", "name", "authority", "unchecked"],
)
def test_whoever_writes_into_the_database_sends_no_secret_elsewhere(
    services, sealed, stored, changed
):
    row = stored()
    for name, value in changed.items():
        setattr(row, name, value)
    with pytest.raises(CannotOpen):
        opened(services, row)


def test_one_secret_does_not_stand_in_for_the_other(services, sealed, stored):
    row = stored()
    row.admin_token, row.registration_secret = row.registration_secret, row.admin_token
    with pytest.raises(CannotOpen):
        opened(services, row)


def test_the_worker_opens_what_the_version_before_sealed_until_it_is_sealed_anew(
    services, sealed_before, stored
):
    assert opened(services, stored()) == SECRETS
    assert reseal(services) == 2
    assert opened(services, stored()) == SECRETS
    assert reseal(services) == 0


def test_the_worker_seals_them_anew_at_night(services, sealed_before, stored):
    job.reseal(services)
    with pytest.raises(CannotOpen):
        services.vault.open(stored().admin_token)
    assert opened(services, stored()) == SECRETS


def test_if_a_storage_key_is_missing_nothing_is_changed_and_the_log_says_so(
    services, sealed_before, stored, caplog
):
    before = stored().admin_token
    object.__setattr__(services, "vault", Vault([SecretStr("another storage key")]))
    with pytest.raises(CannotOpen):
        reseal(services)
    job.reseal(services)
    assert stored().admin_token == before
    assert "a key that opens them is missing" in caplog.text


def test_a_new_pair_takes_over_once_everything_is_sealed_to_it(services, sealed_before, stored):
    (old, old_public), (private, public) = new_pair(), new_pair()
    assert reseal(services, old_public) == 2
    assert reseal(services, public) == 0, "without the private halves nothing can be opened"
    both = PrivateHalves([old, private])
    assert opened(services, stored(), both) == SECRETS
    assert reseal(services, public, both) == 2
    assert opened(services, stored(), PrivateHalves([private])) == SECRETS
    with services.database.reading() as session:
        assert homeserver_secrets.count_by_key(session) == {public.key_id: 2}
