"""The mail of a validation session, with the code to type into the Matrix client."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from typing import Final
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail.composing import Frame, compose_branded
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail

from . import validation, validation_sessions
from .validation_sessions import ValidationSession

SUBMIT: Final = "/_matrix/identity/v2/validate/email/submitToken"


def foresee(
    session: Session, _hashes: KeyedHashes, now: datetime, mails: Sequence[Mail]
) -> Sequence[ValidationSession]:
    """Read the sessions of these mails, and their codes."""
    opened = validation_sessions.find_all(session, [mail.subject_id for mail in mails])
    one_time_codes.foresee(session, now, Purpose.CLIENT, [each.sid for each in opened])
    return opened


def client_verify(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The mail with the code and the link. Raises NoLongerWanted once the session has expired."""
    opened = validation_sessions.find(turn.session, turn.mail.subject_id)
    if opened is None or validation.is_over(opened, turn.now):
        raise NoLongerWanted
    made = one_time_codes.issue_for_mail(
        turn.session, turn.tokens, turn.now, Purpose.CLIENT, opened.sid
    )
    code = one_time_codes.digits_of(turn.tokens, made)
    submit_link = _submit_link(turn, opened, code) if frame.brand_dir else ""
    return compose_branded(
        "verify.txt",
        "client_verify",
        frame,
        own={"token": code, "submit_link": submit_link},
        code=code,
        link=f"{frame.public_url}/v/{turn.tokens.link(opened.id, 'client')}",
        user_id=opened.user_id,
        requested_at=turn.mail.created_at,
        ends_at=validation.ends_at(opened),
    )


CLIENT_VERIFY = MailKind(compose=client_verify, foresee=foresee)


def _submit_link(turn: MailTurn, opened: ValidationSession, code: str) -> str:
    """The specification's link. Opening it validates the address; only brand templates get it."""
    secret = turn.vault.open(opened.sealed_secret).get_secret_value()
    query = urlencode({"token": code, "client_secret": secret, "sid": opened.sid})
    return f"{turn.settings.public_url}{SUBMIT}?{query}"
