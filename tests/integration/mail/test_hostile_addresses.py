"""Whatever is typed, mail leaves for the canonical address or for nobody: through the page, the outbox and a real relay.

What is compared is the mail's bytes, not what a parser makes of them.
"""

import re
from dataclasses import replace
from unicodedata import category

import pytest
from sqlalchemy import select

from domain_rules.address_faults import AddressFault
from identity.app import create_app
from identity.core.database import Database
from identity.core.outbox import Lane
from identity.mail.models import Mail
from identity.mail.relay import SmtpMailer
from identity.mail.relay_url import read_relay_url
from identity.settings import Settings
from identity.sign_up.models import VerificationRequest
from tests.worlds.hostile_addresses import HOSTILE
from tests.worlds.pages import Visitor
from tests.worlds.worker import *
from workers import tasks

# As they were typed into /start when two of them became mails to somebody else.
REPORTED = (
    "a%evil.com@ac-rouen.example",
    "evil.com!a@ac-rouen.example",
    "=?utf-8?q?=61=62=63?=x@ac-rouen.example",
    "=?utf-8?q?x=40evil.example=2c?=foo@ac-rouen.example",
    "=?x?q?collab=40evil.example=3e=00?=foo@ac-rouen.example",
    "=?utf-8?q?x=0d=0abcc=3ae=40evil.example=0d=0ay?=@ac-rouen.example",
    "=?utf-8?q?x=0d=0a=0d=0a=3ch1=3ehi=3c/h1=3e?=@ac-rouen.example",
)
HEADERS = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("X-Auto-Response-Suppress", "X-Guichet-Template", "MIME-Version", "Content-Type"),
    "Content-Language",
]


def can_be_typed(text: str) -> bool:
    """A form holds a megabyte, in UTF-8."""
    return len(text) < 100_000 and "Cs" not in map(category, text)


TYPED = [(text, expected) for text, expected, _ in HOSTILE if can_be_typed(text)]


@pytest.fixture
def desk(services, smtp_server, tmp_path):
    """The service with a real relay behind it, and no limit on how much is typed."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys="a-key-for-the-tests-that-is-long-enough",
        limits="off",
    )
    relay = read_relay_url(f"smtp://127.0.0.1:{smtp_server.port}?tls=none")
    limits = type(services.limits)(settings)
    unlimited = Database(services.database.engine, limited=False)
    return replace(
        services, settings=settings, database=unlimited, limits=limits, mailer=SmtpMailer(relay)
    )


def names_of_headers(raw: bytes) -> list[str]:
    head = raw.partition(b"\r\n\r\n")[0].decode()
    return [line.partition(":")[0] for line in head.split("\r\n") if line[0] not in " \t"]


def test_mail_goes_to_the_canonical_address_or_to_nobody(desk, smtp_server):
    assert set(REPORTED) <= {text for text, _ in TYPED}
    app = create_app(desk)
    asked, refused = set(), 0
    for text, expected in TYPED:
        answer = Visitor(app, "fr").send("/start", email=text)
        if "/check/" in (answer.location or ""):
            asked.add(expected)
        refused += answer.status_code == 400  # the form again, with what is wrong
    with desk.database.reading() as session:
        assert set(session.scalars(select(VerificationRequest.address))) == asked
    tasks.run_lane(desk, Lane.URGENT)
    tasks.run_lane(desk, Lane.NORMAL)
    envelopes = {delivery.recipients for delivery in smtp_server.deliveries}
    assert envelopes == {(address,) for address in asked}
    for delivery in smtp_server.deliveries:
        to_lines = re.findall(rb"^to:.*\r\n", delivery.raw, re.IGNORECASE | re.MULTILINE)
        assert to_lines == [f"To: {delivery.recipients[0]}\r\n".encode()]
        assert names_of_headers(delivery.raw) == HEADERS
        assert b"evil.example" not in delivery.raw.partition(b"\r\n\r\n")[2]
    assert len(asked) > 40
    assert refused == sum(isinstance(expected, AddressFault) for _, expected in TYPED)


def test_a_mail_that_waits_for_an_address_of_before_goes_nowhere_and_says_so(desk, smtp_server):
    """The row is from when such addresses were taken: one try, an end, and a line for the operator."""
    app = create_app(desk)
    Visitor(app, "fr").send("/start", email="camille.durand@ac-rouen.example")
    with desk.database.transaction() as session:
        session.scalars(select(VerificationRequest)).one().address = REPORTED[0]
        session.scalars(select(Mail)).one().address = REPORTED[0]
    tasks.run_lane(desk, Lane.URGENT)
    tasks.run_lane(desk, Lane.NORMAL)
    assert smtp_server.deliveries == []
    with desk.database.reading() as session:
        mail = session.scalars(select(Mail)).one()
    assert (mail.state, mail.outcome) == ("refused", "content")
    assert mail.last_reply == "no mail goes to such an address: foreign_sign"
