"""Who types somebody's address elsewhere does not keep a Matrix client from proving it."""

import uuid

import pytest

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.storage.mails import Template
from identity.use_cases import code_mails, validation
from identity.use_cases.validation import Wanted

SECRET = "monkeys_are_GREAT"
CAMILLE = "@camille:education.example"


@pytest.fixture
def ask(database, wiring, clock):
    """`ask(send_attempt=2)`: what a client's requestToken does."""

    def ask(address="camille.durand@ac-rouen.example", secret=SECRET, on=database, **facts):
        wanted = Wanted(
            address=EmailAddress.parse(address),
            client_secret=secret,
            **{"send_attempt": 1, "user_id": CAMILLE, "device": "", "language": "fr"} | facts,
        )
        with on.transaction() as session:
            return validation.request(session, wiring.vault, clock(), wanted)

    return ask


@pytest.mark.parametrize("address", ["camille@ac-rouen.example", "camille+tag@ac-rouen.example"])
def test_who_types_the_address_elsewhere_all_day_delays_no_client_by_more_than_an_hour(
    ask, database, clock, address
):
    for number in range(40):
        with database.transaction() as session:
            code_mails.order(
                session,
                clock(),
                template=Template.VERIFY,
                address=f"camille+{number}@ac-rouen.example",
                subject_id=uuid.uuid4(),
                language="fr",
                had_one=False,
            )
        clock.advance(minutes=2)
    ask(address)
    clock.advance(minutes=2)
    with pytest.raises(problems.TooManyMails) as refused:
        ask(address, send_attempt=2)
    clock.advance(seconds=refused.value.retry_after)
    assert refused.value.retry_after <= 3600
    ask(address, send_attempt=2)
