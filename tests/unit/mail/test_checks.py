"""One text from what is typed to the wire, and a last look at the bytes that no mail gets around."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.local_parts import EXTRA_SIGNS
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.mail.checks import encode_checked, fault_of_bytes
from identity.mail.composing import Frame, build_message, compose
from identity.mail.folder import FolderMailer
from identity.mail.outcomes import NotSent, Outcome
from identity.mail.relay import SmtpMailer
from identity.mail.relay_url import read_relay_url
from identity.mail.rendering import RenderedMail
from tests.worlds.made_local_parts import made

FROM = "b+1@bounce.example"
TO = "ana@asso.example"
RULES = RuleSet.compile(
    [
        Rule(
            *(RuleKind.DOMAIN, "ac-rouen.example", AccountClass.AGENT, "education.example"),
            requires_invite=False,
        ),
        Rule(
            *(RuleKind.DOMAIN, "ac-wide.example", AccountClass.AGENT, "education.example"),
            requires_invite=False,
            extra_signs=EXTRA_SIGNS,
        ),
        Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True),
    ]
)
DOMAINS = ("ac-rouen.example", "ac-wide.example", "asso.example")


def frame(to, *, reply_to=None):
    return Frame(
        to=to,
        language="fr",
        message_id=UUID(int=7),
        date=datetime(2027, 3, 14, 15, 0, tzinfo=UTC),
        sender="Guichet <bonjour@mail.example>",
        reply_to=reply_to,
        service="Guichet",
        support_url=None,
        public_url="https://guichet.example",
        zone=ZoneInfo("Europe/Paris"),
    )


def letter(to=TO):
    return compose(
        "none",
        frame(to),
    )


def mail_to(to, *, subject="Votre code"):
    """A mail of the real builder, without the page-long text around it."""
    return build_message(
        RenderedMail(subject, "1234 5678\n", None),
        "verify",
        frame(to, reply_to="Aide <aide@mail.example>"),
    )


def check_one_text(number: int, *, seed: int) -> int:
    """Policy, stored row, envelope and bytes say the same of each; returns how many were taken."""
    taken = 0
    for turn, local in enumerate(made(number, seed=seed)):
        typed = f"{local}@{DOMAINS[turn % len(DOMAINS)]}"
        try:
            address = RULES.read(typed, smtputf8=True)
        except InvalidAddress:
            continue
        taken += 1
        to = address.canonical
        content = encode_checked(mail_to(to), envelope_from=FROM, to=to)
        head = content.partition(b"\r\n\r\n")[0].split(b"\r\n")
        to_lines = [line for line in head if line[:3].lower() == b"to:"]
        assert to_lines == [b"To: " + to.encode()], typed
        stored = EmailAddress.stored(to)
        assert stored == address, typed
        assert RULES.read(to, smtputf8=True) == address, typed
        assert RULES.decide(stored).rule is RULES.decide(address).rule, typed
        assert RULES.decide(stored).homeserver, typed
    return taken


@pytest.mark.slow
def test_policy_envelope_bytes_and_row_are_one_text():
    assert check_one_text(10_000, seed=1) > 2_000


@pytest.mark.long
def test_policy_envelope_bytes_and_row_are_one_text_a_million_times():
    assert check_one_text(1_000_000, seed=2) > 200_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "to",
    [
        "a%evil.com@ac-rouen.example",
        "evil.com!a@ac-rouen.example",
        "=?utf-8?q?x=40evil.example=2c?=foo@ac-rouen.example",
        "=?utf-8?q?x=0d=0abcc=3ae=40evil.example=0d=0ay?=@ac-rouen.example",
        "srs0=a=b=evil.com=c@asso.example",
        "Ana@asso.example",
        "ana@asso.example,eve@evil.example",
        "ﬁona@asso.example",
        "ana@asso.example\r\nBcc: eve@evil.example",
        "",
    ],
)
def test_no_mail_is_handed_over_for_an_address_that_the_policy_would_not_take(to, tmp_path):
    nobody_listens = SmtpMailer(read_relay_url("smtp://127.0.0.1:9?tls=none"))
    for mailer in (FolderMailer(tmp_path), nobody_listens):
        with pytest.raises(NotSent) as held:
            mailer.send(letter(), envelope_from=FROM, to=to)
        assert held.value.outcome is Outcome.CONTENT
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sender", ["b c@bounce.example", "<b@bounce.example>", "b@x\r\nDATA", "é@x.example"]
)
def test_a_sender_that_cannot_stand_in_the_envelope_holds_the_mail_back(sender):
    with pytest.raises(NotSent, match="envelope"):
        encode_checked(letter(), envelope_from=sender, to=TO)


def good() -> bytes:
    return encode_checked(letter(), envelope_from=FROM, to=TO)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"To: ana@asso.example", b"To: eve@evil.example", "the To line is not"),
        (b"To: ana@asso.example", b"To: ana@asso.example, eve@evil.example", "the To line is not"),
        (b"To: ana@asso.example", b"To: Ana <ana@asso.example>", "the To line is not"),
        (b"To: ana@asso.example", b"To: ana@asso.example\r\n , eve@evil.example", "the To line"),
        (b"To: ana@asso.example", b"To: ana@asso.example\r\nTo: ana@asso.example", "twice"),
        (
            b"To: ana@asso.example",
            b"To: ana@asso.example\r\nBcc: eve@evil.example",
            "not one of ours",
        ),
        (
            b"To: ana@asso.example",
            b"To: ana@asso.example\r\nto: eve@evil.example",
            "not one of ours",
        ),
        (b"To: ana@asso.example", b"To: ana@asso.example\r\n\r\n<h1>hi</h1>", "is missing"),
        (b"To: ana@asso.example\r\n", b"", "To is missing"),
        (b"To: ana@asso.example", b"To: ana@asso.example\nBcc: eve@evil.example", "a line ends"),
        (b"To: ana@asso.example", b"To: ana@asso.example\rBcc: eve@evil.example", "a line ends"),
        (b"To: ana@asso.example", b"To: ana@asso.example\0", "a byte is zero"),
        (
            b"\r\nAuto-Submitted",
            b"\r\nX-More: " + b"x" * 1000 + b"\r\nAuto-Submitted",
            "longer than",
        ),
        (b"\r\nAuto-Submitted", b"\r\nno header\r\nAuto-Submitted", "not one of ours"),
    ],
)
def test_bytes_that_say_more_than_we_wrote_are_found(old, new, fault):
    content = good()
    assert fault_of_bytes(content, to=TO) is None
    assert old in content
    assert fault in (fault_of_bytes(content.replace(old, new, 1), to=TO) or "")


def test_what_looks_like_an_encoded_word_in_a_subject_stays_what_was_written():
    trick = "=?utf-8?q?x=0d=0aBcc=3a_eve=40evil.example?= vous invite"
    content = encode_checked(mail_to(TO, subject=trick), envelope_from=FROM, to=TO)
    assert b"=?utf-8?q?x=0d=0aBcc" not in content
    assert fault_of_bytes(content, to=TO) is None


def test_a_subject_with_a_line_break_is_a_fault_of_ours_and_not_a_mail():
    with pytest.raises(NotSent) as held:
        mail_to(TO, subject="a\r\nBcc: eve@evil.example")
    assert held.value.outcome is Outcome.CONTENT
