"""The mails that clients and homeservers cause, as they leave; and the operator's own in their place."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from domain_rules.addresses import EmailAddress
from identity.core import signatures as signing
from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import Lane
from identity.invitations import models as third_party_invitations
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.invitations.models import Delivery
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails
from identity.mail.rendering import group_digits
from identity.threepids import associations, validation
from identity.threepids.validation import Wanted
from tests.worlds import codes
from tests.worlds.inviting import stored_in_room
from tests.worlds.worker import *
from tests.worlds.worker import ADDRESS, CAMILLE
from workers import tasks

GIL = "gil.perrin@association.example"
FACTS = {
    "room_alias": "#appui:education.example",
    "room_name": "Cellule d'appui {{ 7 * 7 }}\r\nBcc: evil@x.example",
    "room_avatar_url": "mxc://education.example/abc",
    "sender_display_name": "<b>Camille</b>",
    "sender_avatar_url": "mxc://education.example/def",
}


@pytest.fixture
def asked(services, clock):
    wanted = Wanted(EmailAddress.parse(ADDRESS), "of the client", 1, CAMILLE, "", "fr")
    with services.database.transaction() as session:
        return validation.request_validation(session, services.vault, clock(), wanted)


@pytest.fixture
def invited(services, rules, clock):
    key = signing.new_key("0")
    sealed = services.vault.seal(key.seed.get_secret_value())
    with services.database.transaction() as session:
        return stored_in_room(
            session,
            rules,
            clock(),
            invited=InviteRequest(GIL, EmailAddress.parse(GIL), "!room:x", CAMILLE, FACTS),
            key=EphemeralKey(key.public, sealed),
            signing_key_id="ed25519:0",
        )


@pytest.fixture
def sent(services, postbox, clock):
    """The mails that leave in a lane, when the rooms of one go were gathered."""

    def sent(lane, worker_services=services):
        clock.time += GATHERING_TIME
        tasks.run_lane(worker_services, lane)
        return postbox.sent

    return sent


@pytest.fixture
def branded(services, tmp_path):
    """`branded("verify.txt", "…")`: the service with this template of the operator."""

    def branded(name, text):
        folder = tmp_path / "templates" / "ours"
        folder.mkdir(parents=True)
        (folder / name).write_text(text)
        update = {"templates_dir": tmp_path / "templates", "brand": "ours"}
        return replace(services, settings=services.settings.model_copy(update=update))

    return branded


def code_of(services, asked):
    with services.database.reading() as session:
        return codes.mailed(session, services.tokens, Purpose.CLIENT, asked.sid)


def text_of(message):
    return message.get_body(("plain",)).get_content()


def test_the_mail_of_a_client_carries_code_account_and_our_link_alone(services, asked, sent):
    [mail] = sent(Lane.URGENT)
    text = text_of(mail)
    code = code_of(services, asked)
    assert f"\n\n{group_digits(code)}\n\n" in text
    assert CAMILLE in text
    [link] = [line for line in text.splitlines() if "/v/" in line]
    assert services.tokens.read_link(link.rpartition("/")[2], "client") == asked.id
    assert mail["Subject"] == "Votre code Guichet"
    assert "submitToken" not in mail.as_string()
    assert "of the client" not in mail.as_string()


def test_a_session_that_ended_before_its_mail_left_gets_none(services, asked, sent, clock):
    clock.advance(hours=24)
    assert not sent(Lane.URGENT)
    with services.database.reading() as session:
        assert [mail.state for mail in mails.find_recent(session)] == ["dropped"]


def test_an_invitation_speaks_both_languages_and_shows_nothing_that_was_only_claimed(
    services, invited, sent
):
    [mail] = sent(Lane.NORMAL)
    assert mail["Content-Language"] == "fr, en"
    assert f"{CAMILLE} vous invite" in " ".join(text_of(mail).split())
    for part in (text_of(mail), mail.get_body(("html",)).get_content()):
        for claimed in ("Cellule", "<b>Camille", "mxc:", "#appui", invited.token):
            assert claimed not in part
    assert not mail["Bcc"]


def test_the_inviter_is_named_once_an_address_of_theirs_is_proved(services, invited, sent, clock):
    with services.database.transaction() as session:
        associations.bind(session, clock(), address=ADDRESS, user_id=CAMILLE)
    [mail] = sent(Lane.NORMAL)
    assert mail["Subject"].startswith("Camille Durand vous invite sur Guichet")
    said = " ".join(text_of(mail).split())
    assert "Camille Durand, Éducation nationale – Rouen, vous invite" in said


def test_an_invitation_that_was_taken_before_its_mail_left_gets_none(services, invited, sent):
    with services.database.transaction() as session:
        third_party_invitations.move_delivery(
            session, invited, source=(Delivery.WAITING,), to=Delivery.DELIVERED
        )
    assert not sent(Lane.NORMAL)


def test_the_operators_text_replaces_the_mail_and_leaves_as_it_is_written(
    services, asked, sent, branded
):
    own = branded(
        "verify.txt",
        "<<<{{ token }}>>>\n{{ submit_link }}\n{{ link }}\n{{ to }} {{ from }}\n"
        "{{ messageid }}\n{{ date }}\n{{ unknown }}.\n",
    )
    [mail] = sent(Lane.URGENT, own)
    assert (mail.get_content_type(), mail["Content-Transfer-Encoding"]) == ("text/plain", "7bit")
    first, submit, link, people, message_id, date, nothing = mail.get_content().splitlines()[:7]
    code = code_of(services, asked)
    assert first == f"<<<{code}>>>"
    parts = urlsplit(submit)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == (
        "http://127.0.0.1:8090/_matrix/identity/v2/validate/email/submitToken"
    )
    assert parse_qs(parts.query) == {
        "sid": [asked.sid],
        "client_secret": ["of the client"],
        "token": [code],
    }
    assert "/v/" in link
    assert people == f"{ADDRESS} Guichet <bonjour@guichet.localhost>"
    assert (message_id, date, nothing) == (mail["Message-ID"], mail["Date"], ".")


def test_the_operators_invitation_gets_what_the_homeserver_told(services, invited, sent, branded):
    names = ["token", "room_alias", "room_name", "room_avatar_url"]
    names += ["sender_display_name", "sender_avatar_url", "ephemeral_private_key", "to"]
    own = branded("invite.txt", "\n".join(f"{{{{ {name} }}}}" for name in names))
    [mail] = sent(Lane.NORMAL, own)
    told = dict(zip(names, mail.get_content().splitlines(), strict=False))
    assert told["token"] == invited.token
    assert told["room_alias"] == FACTS["room_alias"]
    assert told["room_name"] == "Cellule d'appui {{ 7 * 7 }} Bcc: evil@x.example"
    assert told["sender_display_name"] == "<b>Camille</b>"
    assert told["to"] == GIL
    assert signing.read_private_key(told["ephemeral_private_key"]).public == invited.public_key
    assert not mail["Bcc"]
