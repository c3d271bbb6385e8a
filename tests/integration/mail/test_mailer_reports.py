"""A relay that reports on mails is told which, and what of them."""

import pytest

from .test_mailer_faults import mailer_to, server  # noqa: F401  fixtures
from .test_mailer_relay import FROM, TO, letter

OFFERS = "250-here\r\n250-DSN\r\n250 SMTPUTF8"


@pytest.fixture
def heard(server, mailer_to):  # noqa: F811
    def heard(to=TO, **answers):
        relay = server(**answers)
        mailer_to(relay.port).send(letter(to), envelope_from=FROM, to=to)
        return [line for line in relay.heard[0] if line.startswith(("MAIL", "RCPT"))]

    return heard


def test_a_relay_that_reports_knows_the_mail_by_its_id(heard):
    assert heard(EHLO=OFFERS) == [
        f"MAIL FROM:<{FROM}> RET=HDRS ENVID=00000000-0000-0000-0000-000000000007",
        f"RCPT TO:<{TO}> NOTIFY=FAILURE,DELAY",
    ]


def test_any_other_relay_hears_nothing_of_it(heard):
    assert heard() == [f"MAIL FROM:<{FROM}>", f"RCPT TO:<{TO}>"]


def test_an_accented_address_has_both(heard):
    sender, recipient = heard("rené@asso.example", EHLO=OFFERS)
    assert sender.startswith(f"MAIL FROM:<{FROM}> SMTPUTF8 RET=HDRS ENVID=")
    assert recipient.endswith("NOTIFY=FAILURE,DELAY")
