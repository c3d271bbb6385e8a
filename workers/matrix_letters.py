"""The mails that Matrix clients and homeservers cause: a code for a client, an invitation to a room."""

from datetime import datetime
from email.message import EmailMessage
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from identity.mail import letters
from identity.mail.letters import Frame
from identity.storage import third_party_invitations, validation_sessions
from identity.storage.mails import Mail, Template
from identity.storage.third_party_invitations import Delivery
from identity.storage.validation_sessions import ValidationSession
from identity.use_cases import store_invite, validation
from identity.wiring import Wiring

SUBMIT = "/_matrix/identity/v2/validate/email/submitToken"


class NoLongerWanted(Exception):
    """The reason of this mail ended before it left."""


def client_verify(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    """The code that a client wants handed in. Raises NoLongerWanted once the session has ended."""
    asked = validation_sessions.find(session, mail.subject_id)
    if asked is None or validation.is_over(asked, now):
        raise NoLongerWanted
    code = wired.tokens.code(asked.id, asked.code_generation)
    return letters.client_verify(
        frame,
        code=code,
        link=f"{frame.public_url}/v/{wired.tokens.link(asked.id, 'client')}",
        submit_link=_submit_link(wired, asked, code) if frame.brand_dir else "",
        user_id=asked.user_id,
        requested_at=mail.created_at,
        ends_at=validation.ends_at(asked),
    )


def _submit_link(wired: Wiring, asked: ValidationSession, code: str) -> str:
    """The specification's link: it proves the address to whoever opens it, so only an operator's text has it."""
    secret = wired.vault.open(asked.sealed_secret).get_secret_value()
    query = urlencode({"token": code, "client_secret": secret, "sid": asked.sid})
    return f"{wired.settings.public_url}{SUBMIT}?{query}"


def invite(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    """The invitation, from a person we know by a proved address. Raises NoLongerWanted once it has ended."""
    invitation = third_party_invitations.find(session, mail.subject_id)
    if (
        invitation is None
        or invitation.delivery != Delivery.WAITING
        or now >= invitation.expires_at
    ):
        raise NoLongerWanted
    inviter, organisation = store_invite.inviter(session, wired.rules.current(), invitation.sender)
    own = dict.fromkeys(
        ("room_alias", "room_name", "room_avatar_url", "sender_display_name", "sender_avatar_url"),
        "",
    )
    own |= invitation.facts | {"token": invitation.token, "room_id": invitation.room_id}
    if frame.brand_dir:
        key = wired.vault.open(invitation.sealed_key)
        own["ephemeral_private_key"] = key.get_secret_value()
    return letters.invite(
        frame,
        link=f"{frame.public_url}/i/{wired.tokens.link(invitation.id, 'invitation')}",
        inviter=inviter,
        organisation=organisation,
        sender=invitation.sender,
        expires_at=invitation.expires_at,
        own=own,
    )


MATRIX_LETTERS = {Template.CLIENT_VERIFY: client_verify, Template.INVITE: invite}
