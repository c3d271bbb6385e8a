"""Through a real Postfix that relays for us: what the policy takes reaches its own mailbox, and nobody else."""

import smtplib
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from domain_rules.address_faults import InvalidAddress
from domain_rules.local_parts import EXTRA_SIGNS
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.mail.composing import Frame, compose
from identity.mail.relay import SmtpMailer
from identity.mail.relay_url import read_relay_url
from tests.services.postfix import DOMAIN
from tests.services.waiting import LOOPBACK
from tests.worlds.hostile_addresses import HOSTILE
from tests.worlds.made_local_parts import made
from tests.worlds.worker import *

SENDER = "bonjour@guichet.example"
# Postfix keeps this name for probes of its own and throws away what is sent there.
THROWN_AWAY = f"double-bounce@{DOMAIN}"
# All that a rule can open: whatever it takes, Postfix must put into the mailbox of that name.
WIDEST = RuleSet.compile(
    [
        Rule(
            *(RuleKind.DOMAIN, DOMAIN, AccountClass.AGENT, "education.example"),
            requires_invite=False,
            extra_signs=EXTRA_SIGNS,
        ),
    ]
)


def letter(to):
    return compose(
        "none",
        Frame(
            to=to,
            language="fr",
            message_id=uuid4(),
            date=datetime(2026, 11, 2, 8, 0, tzinfo=UTC),
            sender=f"Guichet <{SENDER}>",
            reply_to=None,
            service="Guichet",
            support_url=None,
            public_url="https://guichet.example",
            zone=ZoneInfo("Europe/Paris"),
        ),
    )


def taken(texts):
    for text in texts:
        try:
            address = WIDEST.read(text)
        except InvalidAddress:
            continue
        if address.ascii_domain == DOMAIN:
            yield address.canonical


@pytest.mark.parametrize(
    ("address", "lands_at"),
    [
        (f"a%evil.com@{DOMAIN}", "a@evil.com"),
        (f"evil.com!a@{DOMAIN}", "a@evil.com"),
        (f"x!y%evil.com@{DOMAIN}", "y%evil.com@x"),
    ],
)
def test_postfix_sends_on_what_the_policy_once_took(postfix, address, lands_at):
    """So the test below can fail: this server does route, for whoever may relay through it."""
    with smtplib.SMTP(LOOPBACK, postfix.port) as client:
        client.sendmail(SENDER, [address], b"Subject: code\r\n\r\n1234 5678\r\n")
    postfix.wait_for_deliveries(1)
    assert [each.recipients for each in postfix.elsewhere.deliveries] == [(lands_at,)]
    assert postfix.mailboxes.deliveries == []
    with pytest.raises(InvalidAddress):
        WIDEST.read(address)


def test_whatever_the_policy_takes_is_delivered_to_its_own_mailbox(postfix):
    typed = [text for text, _, _ in HOSTILE] + [f"{local}@{DOMAIN}" for local in made(1_500)]
    addresses = sorted(set(taken(typed)) - {THROWN_AWAY})
    assert len(addresses) > 400
    assert all(any(sign in address for address in addresses) for sign in f"._+-'{EXTRA_SIGNS}")
    mailer = SmtpMailer(read_relay_url(postfix.url))
    for address in addresses:
        mailer.send(letter(address), envelope_from=SENDER, to=address)
    mailer.close()
    postfix.wait_for_deliveries(len(addresses))
    assert postfix.elsewhere.deliveries == []
    assert sorted(each.recipients for each in postfix.mailboxes.deliveries) == [
        (address,) for address in addresses
    ]
