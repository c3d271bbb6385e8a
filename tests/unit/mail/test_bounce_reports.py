"""Bounce addresses and delivery reports, as the mail servers of this world write them."""

import uuid

import pytest

from identity.core.keyed_hashes import bounce_mark_by
from identity.mail import bounces
from identity.mail.bounces import Action, NoReport
from identity.mail.outcomes import Outcome
from tests.worlds.mail_reports import (
    ACCENTED,
    COMPLAINT,
    EXCHANGE,
    EXIM,
    GMAIL,
    IN_WORDS,
    OUT_OF_OFFICE,
    POSTFIX,
    report,
)

DOMAIN = "bounce.mail.example"
MAIL = uuid.UUID("1f2e3d4c-0000-4000-8000-00000000abcd")


def read(raw):
    return bounces.read_report(bounces.parse_message(raw))


def test_the_sender_of_a_mail_names_it_survives_lower_case_and_fits():
    mark = bounce_mark_by("a key", MAIL)
    address = bounces.bounce_address(MAIL, mark, DOMAIN)
    local = address.partition("@")[0]
    assert address == address.lower()
    assert len(local) <= 64
    assert local.startswith("b+")
    for form in (address, address.upper(), f"<{address}>", f" {address} "):
        assert bounces.read_bounce_address(form, DOMAIN) == (MAIL, mark)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bonjour@bounce.mail.example",
        "b+@bounce.mail.example",
        "b+aaaa.bbbb@bounce.mail.example",
        "b+" + "a" * 26 + "." + "1" * 24 + "@bounce.mail.example",
        "b+" + "a" * 27 + "." + "a" * 24 + "@bounce.mail.example",
        bounces.bounce_address(MAIL, "a" * 24, "bounce.elsewhere.example"),
        bounces.bounce_address(MAIL, "a" * 24, "bounce.mail.example.evil.example"),
    ],
)
def test_other_addresses_name_no_mail(address):
    assert bounces.read_bounce_address(address, DOMAIN) is None


@pytest.mark.parametrize(
    ("form", "status", "diagnostic", "outcome"),
    [
        (POSTFIX, "5.1.1", "smtp; 550 5.1.1 <lea@x>: User unknown", Outcome.NO_MAILBOX),
        (POSTFIX, "5.1.1", 'X-Postfix; unknown user: "lea"', Outcome.NO_MAILBOX),
        (
            POSTFIX,
            "5.4.4",
            "X-Postfix; Host or domain name not found. Name service\n    error for name=asso.example type=A",
            Outcome.BAD_DOMAIN,
        ),
        (POSTFIX, "5.1.0", "smtp; 556 5.1.10 null MX", Outcome.BAD_DOMAIN),
        (POSTFIX, "4.4.1", "X-Postfix; connect to mx: Connection timed out", Outcome.RELAY_DOWN),
        (
            EXCHANGE,
            "5.1.10",
            "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found",
            Outcome.NO_MAILBOX,
        ),
        (EXCHANGE, "5.2.2", "smtp;554 5.2.2 mailbox full; STOREDRV.Deliver", Outcome.MAILBOX_FULL),
        (EXCHANGE, "5.7.1", "smtp;550 5.7.1 TRANSPORT.RULES.RejectMessage", Outcome.BLOCKED),
        (
            GMAIL,
            "5.1.1",
            "smtp; 550-5.1.1 The account you tried to reach\n 550-5.1.1 does not exist. 550 5.1.1 abc.12",
            Outcome.NO_MAILBOX,
        ),
        (
            GMAIL,
            "4.2.2",
            "smtp; 452-4.2.2 The inbox is out of storage space.",
            Outcome.MAILBOX_FULL,
        ),
        (EXIM, "5.0.0", "smtp; 550 5.1.1 No such user here", Outcome.NO_MAILBOX),
        (EXIM, "5.0.0", "smtp; 550 Unrouteable address", Outcome.REFUSED),
        (EXIM, "5.1.1", "smtp; 550 no such person", Outcome.NO_MAILBOX),
        (EXIM, "5.7.1", "smtp; 554 rejected as spam", Outcome.BLOCKED),
        (EXIM, "5.1.2", "", Outcome.BAD_DOMAIN),
        (ACCENTED, "5.1.1", "smtp; 550 5.1.1 no such mailbox", Outcome.NO_MAILBOX),
    ],
)
def test_a_report_of_a_failure_is_understood(form, status, diagnostic, outcome):
    told = read(report(form, status=status, diagnostic=diagnostic))
    assert (told.action, told.outcome) == (Action.FAILED, outcome)


def test_a_delay_is_no_failure():
    told = read(report(action="delayed", status="4.4.1", diagnostic="X-Postfix; timed out"))
    assert told.action is Action.DELAYED


def test_a_failure_counts_more_than_a_delay_told_before():
    raw = report(status="5.1.1").replace(
        b"Final-Recipient",
        b"Final-Recipient: rfc822; x@asso.example\nAction: delayed\nStatus: 4.0.0\n\nFinal-Recipient",
    )
    assert read(raw).action is Action.FAILED


def test_the_kept_reply_holds_no_address():
    told = read(report(diagnostic="smtp; 550 5.1.1 <lea.petit@asso.example>: lea.petit unknown"))
    reply = told.reply("lea.petit@asso.example")
    assert reply.startswith("550 5.1.1")
    assert "lea" not in reply
    assert "asso.example" not in reply


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", ""])
def test_good_news_changes_nothing(action):
    with pytest.raises(NoReport, match="neither"):
        read(report(action=action))


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (OUT_OF_OFFICE, "automatic answer"),
        (IN_WORDS, "no delivery report"),
        (COMPLAINT, "feedback-report"),
    ],
)
def test_what_is_no_report_is_told_apart(form, why):
    with pytest.raises(NoReport, match=why):
        read(report(form))


def test_a_report_inside_the_mail_that_comes_back_does_not_count():
    inner = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: failed\nStatus: 5.1.1\n"
    raw = COMPLAINT.replace("feedback-report; b", "delivery-status; b").format(bounce="")
    raw = raw.replace("Content-Type: message/feedback-report", "Content-Type: message/rfc822")
    with pytest.raises(NoReport):
        read(raw.replace("Feedback-Type: abuse\nVersion: 1\n", inner).encode())


@pytest.mark.slow
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 50,
        b"Content-Type: multipart/report; report-type=delivery-status\n\nno parts",
        (
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n"
            b"Content-Type: message/delivery-status\n\n\xff\xfe: \x00\n\n--x--\n"
        ),
        b"Content-Type: multipart/report; report-type*=utf-8''delivery-status; boundary=x\n\n--x--",
        b"".join(
            b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(3000)
        ),
    ],
)
def test_rubbish_is_no_report(raw):
    with pytest.raises(NoReport):
        read(raw)
