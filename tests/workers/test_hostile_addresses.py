"""Whatever is typed, mail leaves for the canonical address or for nobody: through the page, the outbox and a real relay."""

from dataclasses import replace
from unicodedata import category

import pytest
from sqlalchemy import select

from domain_rules.addresses import Reason
from identity.app import create_app
from identity.gateways.mail_relay import SmtpMailer
from identity.gateways.mail_relay_url import read_relay_url
from identity.settings import Settings
from identity.storage.outbox import Lane
from identity.storage.verification_requests import VerificationRequest
from tests.domain_rules.hostile_addresses import HOSTILE
from tests.identity.pages.conftest import Visitor
from workers import tasks


def can_be_typed(text: str) -> bool:
    """A form holds a megabyte, in UTF-8."""
    return len(text) < 100_000 and "Cs" not in map(category, text)


TYPED = [(text, expected) for text, expected in HOSTILE if can_be_typed(text)]


@pytest.fixture
def desk(wiring, smtp_server, tmp_path):
    """The service with a real relay behind it, and no limit on how much is typed."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys="a key for the tests, long enough",
        limits="off",
    )
    relay = read_relay_url(f"smtp://127.0.0.1:{smtp_server.port}?tls=none")
    limits = type(wiring.limits)(settings)
    return replace(wiring, settings=settings, limits=limits, mailer=SmtpMailer(relay))


def test_mail_goes_to_the_canonical_address_or_to_nobody(desk, smtp_server):
    app = create_app(desk)
    asked, refused = set(), 0
    for text, expected in TYPED:
        answer = Visitor(app, "fr").send("/start", email=text)
        if "/check/" in (answer.location or ""):
            asked.add(expected)
        refused += answer.status_code == 400  # the form again, with what is wrong
    with desk.database.reading() as session:
        assert set(session.scalars(select(VerificationRequest.address))) == asked
    tasks.run(desk, Lane.URGENT)
    tasks.run(desk, Lane.NORMAL)
    envelopes = {delivery.recipients for delivery in smtp_server.deliveries}
    assert envelopes == {(address,) for address in asked}
    for delivery in smtp_server.deliveries:
        assert (delivery.message["To"],) == delivery.recipients
    assert len(asked) > 5
    assert refused == sum(isinstance(expected, Reason) for _, expected in TYPED)
