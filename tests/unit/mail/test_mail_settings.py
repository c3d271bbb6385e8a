"""What the settings say of mail is looked at when the service starts, not when the first mail fails."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from identity.mail import bounces
from identity.mail.checks import encode_checked
from identity.mail.composing import Frame, compose
from identity.settings import WrongSettings, read_settings

ODD = {
    "mail_from": "Académie de Rouen, l’accueil des agents et de leurs invités <Bonjour@académie.example>",
    "mail_reply_to": '"Aide, « guichet »" <aide@académie.example>',
    "mail_bounce_domain": "Retours.Académie.example",
    "public_url": "http://guichet.localhost",
    "service_name": "Messagerie des agents =?utf-8?q?x?=",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mail_from", "Guichet"),
        ("mail_from", "a%evil.com@example.org"),
        ("mail_from", "évelyne@example.org"),
        ("mail_from", "Guichet <a@example.org>\r\nBcc: eve@evil.example"),
        ("mail_reply_to", "a@b@example.org"),
        ("mail_reply_to", "=?x?q?collab=40evil.example=3e?= <a@>"),
        ("mail_bounce_domain", "a@example.org"),
        ("mail_bounce_domain", "x" * 250 + ".example.org"),
        ("service_name", "Guichet\nBcc: eve@evil.example"),
    ],
)
def test_a_setting_that_the_wire_cannot_take_is_refused_by_its_name(name, value):
    with pytest.raises(WrongSettings, match=rf"GUICHET_{name.upper()}: .*example"):
        read_settings(_env_file=None, **{name: value})


def test_accents_and_commas_in_settings_reach_the_wire():
    settings = read_settings(_env_file=None, **ODD)
    mail = UUID(int=7)
    message = compose(
        "none",
        Frame(
            to="ana@asso.example",
            language="fr",
            message_id=mail,
            date=datetime(2027, 3, 14, 15, 0, tzinfo=UTC),
            sender=settings.mail_from,
            reply_to=settings.mail_reply_to,
            service=settings.service_name,
            support_url=None,
            public_url=settings.public_url,
            zone=ZoneInfo("Europe/Paris"),
        ),
    )
    sender = bounces.bounce_address(mail, "a" * 24, settings.mail_bounce_domain or "")
    head = encode_checked(message, envelope_from=sender, to="ana@asso.example").partition(
        b"\r\n\r\n"
    )[0]
    assert head.isascii()
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert b"<Bonjour@xn--acadmie-eya.example>" in head
    assert b"<aide@xn--acadmie-eya.example>" in head


def test_a_public_url_with_accents_is_written_as_links_in_mails_need_it():
    settings = read_settings(
        _env_file=None,
        public_url="https://guichet.académie.example:8443/",
        smtp_url="smtp://relay.example",
    )
    assert settings.public_url == "https://guichet.xn--acadmie-eya.example:8443"
