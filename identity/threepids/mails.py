"""The mail with the code that a Matrix client wants handed in."""

from email.message import EmailMessage
from typing import Final
from urllib.parse import urlencode

from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail.composing import Frame, compose_branded
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted

from . import validation, validation_sessions
from .validation_sessions import ValidationSession

SUBMIT: Final = "/_matrix/identity/v2/validate/email/submitToken"


def client_verify(turn: MailTurn, frame: Frame) -> EmailMessage:
    """A Matrix client wants the address verified for a user. Raises NoLongerWanted once the session has ended."""
    asked = validation_sessions.find(turn.session, turn.mail.subject_id)
    if asked is None or validation.is_over(asked, turn.now):
        raise NoLongerWanted
    made = one_time_codes.carry(turn.session, turn.tokens, turn.now, Purpose.CLIENT, asked.sid)
    code = one_time_codes.digits(turn.tokens, made)
    submit_link = _submit_link(turn, asked, code) if frame.brand_dir else ""
    return compose_branded(
        "verify.txt",
        "client_verify",
        frame,
        own={"token": code, "submit_link": submit_link},
        code=code,
        link=f"{frame.public_url}/v/{turn.tokens.link(asked.id, 'client')}",
        user_id=asked.user_id,
        requested_at=turn.mail.created_at,
        ends_at=validation.ends_at(asked),
    )


CLIENT_VERIFY = MailKind(compose=client_verify)


def _submit_link(turn: MailTurn, asked: ValidationSession, code: str) -> str:
    """The specification's link: it proves the address to whoever opens it, so only an operator's text has it."""
    secret = turn.vault.open(asked.sealed_secret).get_secret_value()
    query = urlencode({"token": code, "client_secret": secret, "sid": asked.sid})
    return f"{turn.settings.public_url}{SUBMIT}?{query}"
