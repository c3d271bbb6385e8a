"""“Not me”: the owner of a mailbox cancels a request somebody else made, and can undo that."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import CodeAnswer, Result, TypedCode
from identity.core.tokens import Tokens

from . import models as verification_requests
from .models import State, VerificationRequest

UNDO_LIFETIME = timedelta(days=7)  # how long a cancelled request can be opened again


def cancel(session: Session, now: datetime, request: VerificationRequest) -> None:
    """Cancel the request, in the browser that made it. See UNDO_LIFETIME."""
    for source in (State.OPEN, State.CONFIRMED):
        verification_requests.change_state(
            session, request, source=source, to=State.CANCELLED, cancelled_at=now
        )


def undo_cancel(session: Session, now: datetime, request: VerificationRequest) -> bool:
    """Open a cancelled request again; the address has to be verified anew. False: too late."""
    if request.cancelled_at is None or now >= request.cancelled_at + UNDO_LIFETIME:
        return False
    return verification_requests.change_state(
        session,
        request,
        source=State.CANCELLED,
        to=State.OPEN,
        cancelled_at=None,
        confirmed_at=None,
    )


def cancel_with_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    request: VerificationRequest,
    code: str,
    *,
    browser: str = "",
) -> CodeAnswer:
    """Cancel the request from another browser, with the code of the mail.

    The browser that made the request does not see this unless it had confirmed the address:
    otherwise it could learn who reads a mailbox. The result is RIGHT, and nothing changes, if the
    account was created meanwhile. `browser`: the hash of the browser that cancels.
    """
    # The mail "a code was used" carries no code, so the code of the mail before stays good here.
    typed = TypedCode(code, held=True, since=min(now, request.created_at))
    answer = spend_code(session, tokens, now, request, typed)
    if answer.result is Result.RIGHT and request.state != State.USED:
        if request.state == State.CONFIRMED:
            cancel(session, now, request)
        request.refused_at, request.refused_by = now, browser
        session.flush()
    return answer


def undo_with_code(
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, code: str
) -> CodeAnswer:
    """Undo `cancel_with_code` or `cancel`. The result is OVER after UNDO_LIFETIME."""
    ended_at = request.refused_at or request.cancelled_at
    if ended_at is None:
        return CodeAnswer(Result.OVER)
    typed = TypedCode(code, held=True, since=min(now, request.created_at))
    answer = spend_code(session, tokens, now, request, typed)
    if answer.result is not Result.RIGHT:
        return answer
    if now >= ended_at + UNDO_LIFETIME:
        return CodeAnswer(Result.OVER)
    request.refused_at = request.refused_by = None
    session.flush()
    undo_cancel(session, now, request)
    return answer


def spend_code(
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, typed: TypedCode
) -> CodeAnswer:
    """Try a code of the sign-up's mails for the address of a request."""
    return one_time_codes.spend(
        session, tokens, now, Purpose.SIGN_UP, typed, address=request.address
    )
