"""A relay that works and says what it likes: what it gets, and what becomes of its replies."""

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from identity.mail.composing import Frame, compose
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.relay import SmtpMailer
from identity.mail.relay_url import read_relay_url
from tests.services.certificates import EXPIRED

FROM, TO = "b+1@bounce.example", "ana@asso.example"


def letter(to: str = TO) -> EmailMessage:
    return compose(
        "none",
        Frame(
            to=to,
            language="fr",
            message_id=UUID(int=7),
            date=datetime(2027, 3, 14, 15, 0, tzinfo=UTC),
            sender="Guichet <bonjour@mail.example>",
            reply_to=None,
            service="Guichet",
            support_url=None,
            public_url="https://guichet.example",
            zone=ZoneInfo("Europe/Paris"),
        ),
    )


@pytest.fixture
def mailer_to():
    """`mailer_to(relay, "tls=…")`: closed with the test."""
    made = []

    def make(relay, options="tls=none", *, host="127.0.0.1") -> SmtpMailer:
        url = read_relay_url(f"smtp://{host}:{relay.port}?{options}")
        made.append(SmtpMailer(replace(url, timeout=30.0), command_timeout=20.0))
        return made[-1]

    yield make
    for mailer in made:
        mailer.close()


def refusal(mailer, message=None, to=TO) -> NotSent:
    with pytest.raises(NotSent) as failure:
        mailer.send(message or letter(to), envelope_from=FROM, to=to)
    return failure.value


def test_one_mail_goes_to_one_mailbox_byte_for_byte(smtp_server, mailer_to):
    message = letter()
    reply = mailer_to(smtp_server).send(message, envelope_from=FROM, to=TO)
    [delivery] = smtp_server.deliveries
    assert reply == "250 2.0.0 queued"
    assert delivery.sender == FROM
    assert delivery.recipients == (TO,)
    assert delivery.raw == message.as_bytes()
    assert not delivery.tls


@pytest.mark.parametrize(
    ("name", "value"),
    [("Cc", "third@asso.example"), ("Bcc", TO), ("Auto-Submitted", "again"), ("X-Own", "1")],
)
def test_a_header_that_is_not_ours_or_stands_there_twice_never_leaves(
    smtp_server, mailer_to, name, value
):
    message = letter()
    message[name] = value
    assert refusal(mailer_to(smtp_server), message).outcome is Outcome.CONTENT
    assert smtp_server.deliveries == []


def test_a_line_that_is_a_dot_does_not_end_the_mail(smtp_server, mailer_to):
    message = letter()
    message.clear_content()
    message.set_content(".\n..two\n.hidden\nend\n", cte="7bit")
    mailer_to(smtp_server).send(message, envelope_from=FROM, to=TO)
    read = email.message_from_bytes(smtp_server.deliveries[0].raw, policy=email.policy.default)
    assert read.get_content().split() == [".", "..two", ".hidden", "end"]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("421 4.3.2 closing", Outcome.RELAY_DOWN),
        ("450 4.7.1 greylisted", Outcome.DEFER),
        ("451 4.3.0 local error", Outcome.RELAY_DOWN),
        ("452 4.2.2 mailbox full", Outcome.MAILBOX_FULL),
        ("454 4.7.0 slow down", Outcome.THROTTLE),
        ("550 5.1.1 unknown", Outcome.NO_MAILBOX),
        ("550 5.1.2 no such domain", Outcome.BAD_DOMAIN),
        ("552 5.2.2 mailbox full", Outcome.MAILBOX_FULL),
        ("553 5.6.7 SMTPUTF8 needed", Outcome.CONTENT),
        ("554 5.7.1 filtered", Outcome.BLOCKED),
        ("554 no", Outcome.REFUSED),
        ("459 hm", Outcome.DEFERRED_OTHER),
    ],
)
def test_a_reply_to_the_recipient_is_classed(smtp_server, mailer_to, reply, outcome):
    smtp_server.replies[TO] = reply
    mailer = mailer_to(smtp_server)
    assert refusal(mailer).outcome is outcome
    mailer.send(letter("other@asso.example"), envelope_from=FROM, to="other@asso.example")
    assert [delivery.recipients for delivery in smtp_server.deliveries] == [("other@asso.example",)]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [("550 5.7.1 looks like spam", Outcome.BLOCKED), ("451 4.7.1 later", Outcome.DEFER)],
)
def test_a_reply_to_the_whole_mail_is_classed(smtp_server, mailer_to, reply, outcome):
    smtp_server.reply_to_data = reply
    assert refusal(mailer_to(smtp_server)).outcome is outcome


def test_what_is_said_of_the_sender_is_not_held_against_the_recipient(smtp_server, mailer_to):
    smtp_server.reply_to_sender = "550 5.1.1 sender unknown"
    assert refusal(mailer_to(smtp_server)).outcome is Outcome.REFUSED


def test_the_reply_that_is_kept_names_nobody(smtp_server, mailer_to):
    smtp_server.replies[TO] = f"550 5.1.1 <{TO}>: ana is unknown"
    assert refusal(mailer_to(smtp_server)).reply == "550 5.1.1 <…@…>: … is unknown"


def test_several_mails_take_one_connection(smtp_server, mailer_to):
    mailer = mailer_to(smtp_server)
    ports = set()
    for number in range(3):
        mailer.send(letter(to := f"{number}@asso.example"), envelope_from=FROM, to=to)
        ports.add(mailer._session.sock.getsockname()[1])
    assert len(smtp_server.deliveries) == 3
    assert len(ports) == 1


def test_a_relay_that_was_restarted_between_two_mails_is_met_again(smtp_server, mailer_to):
    mailer = mailer_to(smtp_server)
    mailer.send(letter(), envelope_from=FROM, to=TO)
    smtp_server.stop()
    smtp_server.start()
    mailer.send(letter(), envelope_from=FROM, to=TO)
    assert len(smtp_server.deliveries) == 2


def test_after_closing_it_opens_again(smtp_server, mailer_to):
    mailer = mailer_to(smtp_server)
    for _ in range(2):
        mailer.send(letter(), envelope_from=FROM, to=TO)
        mailer.close()
        mailer.close()
    assert len(smtp_server.deliveries) == 2


@pytest.mark.parametrize("implicit", [False, True])
def test_tls_with_a_good_certificate(smtp_servers, mailer_to, authority, implicit):
    relay = smtp_servers(certificate=authority.issue(), implicit_tls=implicit)
    how = f"tls={'tls' if implicit else 'starttls'}&ca_file={authority.ca_file}"
    for host in ("localhost", "127.0.0.1"):
        mailer_to(relay, how, host=host).send(letter(), envelope_from=FROM, to=TO)
    assert [delivery.tls for delivery in relay.deliveries] == [True, True]


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("fault", ["expired", "wrong host", "unknown authority"])
def test_a_bad_certificate_gets_no_mail(smtp_servers, mailer_to, authority, implicit, fault):
    certificate = (
        authority.issue("localhost", until=EXPIRED)
        if fault == "expired"
        else authority.issue("elsewhere.example" if fault == "wrong host" else "localhost")
    )
    relay = smtp_servers(certificate=certificate, implicit_tls=implicit)
    trusted = "" if fault == "unknown authority" else f"&ca_file={authority.ca_file}"
    how = f"tls={'tls' if implicit else 'starttls'}{trusted}"
    failure = refusal(mailer_to(relay, how, host="localhost"))
    assert failure.outcome is Outcome.RELAY_DOWN
    assert "certificate" in failure.reply
    assert not relay.deliveries


def test_a_relay_without_starttls_gets_no_mail_in_clear(smtp_server, mailer_to):
    failure = refusal(mailer_to(smtp_server, "tls=starttls"))
    assert failure.outcome is Outcome.RELAY_DOWN
    assert "STARTTLS" in failure.reply
    assert not smtp_server.deliveries


def test_smtputf8_is_asked_for_where_the_recipient_needs_it(smtp_server, mailer_to):
    mailer = mailer_to(smtp_server)
    accented = "rené@asso.example"
    mailer.send(letter(accented), envelope_from=FROM, to=accented)
    mailer.send(letter(), envelope_from=FROM, to=TO)
    first, second = smtp_server.deliveries
    assert first.recipients == (accented,)
    assert {"SMTPUTF8", "BODY=8BITMIME"} <= set(first.options)
    assert f"To: {accented}".encode() in first.raw
    assert "SMTPUTF8" not in second.options


def test_without_smtputf8_such_a_mail_cannot_be_sent(smtp_servers, mailer_to):
    relay = smtp_servers(smtputf8=False)
    failure = refusal(mailer_to(relay), to="rené@asso.example")
    assert failure.outcome is Outcome.CONTENT
    assert not relay.deliveries


def test_a_header_with_a_line_break_never_leaves(smtp_server, mailer_to):
    message = EmailMessage(policy=email.policy.compat32)
    message["Subject"] = "hello\r\nBcc: victim@asso.example"
    assert refusal(mailer_to(smtp_server), message).outcome is Outcome.CONTENT
    assert not smtp_server.deliveries


@pytest.mark.parametrize(
    "to",
    ["", "ana@asso.example\r\nRCPT TO:<b@x.example>", "ana@x.example> <b@x.example", "a b@x.y"],
)
def test_an_envelope_cannot_hold_two(smtp_server, mailer_to, to):
    with pytest.raises(NotSent) as failure:
        mailer_to(smtp_server).send(letter(), envelope_from=FROM, to=to)
    assert failure.value.outcome is Outcome.CONTENT
    assert not smtp_server.deliveries


def test_every_line_on_the_wire_is_within_the_standards(smtp_server, mailer_to):
    mailer_to(smtp_server).send(letter(), envelope_from=FROM, to=TO)
    raw = smtp_server.deliveries[0].raw
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
