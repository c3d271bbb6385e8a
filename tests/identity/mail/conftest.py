"""A set of letters with facts as they come."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID

import pytest

from identity.mail import letters
from identity.mail.letters import Frame

ORDERED = datetime(2027, 3, 14, 15, 30, tzinfo=UTC)  # half past four in Paris, a Sunday
HOST = "https://guichet.example"
TOKEN = "Zm9yZ2V0IGFib3V0IHRoaX.b25lLCBpdCBpcyBvbmx5IGEgdGV"


def frame(**other) -> Frame:
    facts = {
        "to": "camille.durand@ac-rouen.example",
        "language": "fr",
        "message_id": UUID("6f1c1f6e-5a52-4f6e-9a2f-0a4b2b1f9d11"),
        "date": ORDERED,
        "sender": "Guichet <bonjour@mail.example>",
        "reply_to": "Assistance <aide@mail.example>",
        "service": "Guichet",
        "support_url": None,
        "public_url": HOST,
    }
    return Frame(**(facts | other))


def verification(**other):
    facts = {
        "code": "482913",
        "link": f"{HOST}/v/{TOKEN}",
        "not_me_link": f"{HOST}/n/{TOKEN}",
        "requested_at": ORDERED,
        "code_expires_at": ORDERED + timedelta(minutes=60),
        "link_expires_at": ORDERED + timedelta(hours=24),
    }
    return lambda of: letters.verify(of, **(facts | other))


def invitation(**who):
    return lambda of: letters.invite(
        of,
        link=f"{HOST}/v/{TOKEN}",
        sender="@camille.durand-ac-rouen.example:agent.education.example",
        expires_at=ORDERED + timedelta(days=30),
        own={"room_name": "Cellule d’appui"},
        **who,
    )


LETTERS: dict[str, Callable[[Frame], EmailMessage]] = {
    "verify": verification(),
    "verify without code": verification(code=None),
    "exists": lambda of: letters.exists(
        of, sign_in_url="https://app.example/#/login", server="Éducation"
    ),
    "exists somewhere": lambda of: letters.exists(
        of, sign_in_url="https://app.example/#/login", server=None
    ),
    "welcome": lambda of: letters.welcome(
        of,
        display_name="Camille Durand [Rouen]",
        user_id="@camille.durand-ac-rouen.example:agent.education.example",
        address=of.to,
        server="Éducation",
        client_url="https://app.example",
    ),
    "server_ready": lambda of: letters.server_ready(
        of, server="Éducation", link=f"{HOST}/v/{TOKEN}"
    ),
    "server_ready somewhere": lambda of: letters.server_ready(
        of, server="", link=f"{HOST}/v/{TOKEN}"
    ),
    "none": letters.none,
    "client_verify": lambda of: letters.client_verify(
        of,
        code="482913",
        link=f"{HOST}/v/{TOKEN}",
        submit_link=f"{HOST}/_matrix/identity/v2/validate/email/submitToken?token=482913",
        user_id="@camille.durand-ac-rouen.example:agent.education.example",
        requested_at=ORDERED,
        ends_at=ORDERED + timedelta(hours=24),
    ),
    "invite": invitation(inviter="Camille Durand", organisation="Éducation nationale – Rouen"),
    "invite from somewhere": invitation(inviter="Camille Durand", organisation=None),
    "invite from somebody": invitation(inviter=None, organisation=None),
}
LONG = {
    "to": f"{'a' * 64}@{'.'.join(['d' * 60] * 2)}.example",
    "service": "La messagerie des agents publics de l’É.",
    "sender": f"bonjour@{'m' * 60}.example",
}


def text_of(message: EmailMessage) -> str:
    return message.get_body(("plain",)).get_content()


def html_of(message: EmailMessage) -> str:
    return message.get_body(("html",)).get_content()


@pytest.fixture(params=[*LETTERS])
def write(request) -> Callable[..., EmailMessage]:
    """Every letter in turn: `write(language="en", …)`."""
    return lambda **facts: LETTERS[request.param](frame(**facts))
