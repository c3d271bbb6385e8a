"""“Not me”: who did not ask ends a request, with its own browser or with the code of the mail; and the way back."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import CodeAnswer, Result, Typed
from identity.core.tokens import Tokens

from . import models as verification_requests
from .models import State, VerificationRequest

UNDO_LIFETIME = timedelta(days=7)


def cancel(session: Session, now: datetime, request: VerificationRequest) -> None:
    """End the request, in the browser that made it. Undone within seven days if it was a slip."""
    for source in (State.OPEN, State.CONFIRMED):
        verification_requests.move(
            session, request, source=source, to=State.CANCELLED, cancelled_at=now
        )


def undo_cancel(session: Session, now: datetime, request: VerificationRequest) -> bool:
    """Open a cancelled request again; it has to be proved anew. False: too late."""
    if request.cancelled_at is None or now >= request.cancelled_at + UNDO_LIFETIME:
        return False
    return verification_requests.move(
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
    """End the request from a browser without its cookie: who has the mail has its code.

    The browser that asked is not told, unless it had confirmed: whoever asks for other people's
    addresses does not learn who reads their mail. RIGHT also where an account was made meanwhile; then
    nothing changes.
    """
    # The mail that tells of a use brings no code of its own: that of the used mail is still good for this.
    typed = Typed(code, held=True, since=min(now, request.created_at))
    answer = spend(session, tokens, now, request, typed)
    if answer.result is Result.RIGHT and request.state != State.USED:
        if request.state == State.CONFIRMED:
            cancel(session, now, request)
        request.refused_at, request.refused_by = now, browser
        session.flush()
    return answer


def undo_with_code(
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, code: str
) -> CodeAnswer:
    """The way back from `cancel_with_code`, and from `cancel`, as long as a slip can be undone."""
    ended_at = request.refused_at or request.cancelled_at
    if ended_at is None:
        return CodeAnswer(Result.OVER)
    typed = Typed(code, held=True, since=min(now, request.created_at))
    answer = spend(session, tokens, now, request, typed)
    if answer.result is not Result.RIGHT:
        return answer
    if now >= ended_at + UNDO_LIFETIME:
        return CodeAnswer(Result.OVER)
    request.refused_at = request.refused_by = None
    session.flush()
    undo_cancel(session, now, request)
    return answer


def spend(
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, typed: Typed
) -> CodeAnswer:
    """Try a code of the sign-up's mails against the address of a request."""
    return one_time_codes.spend(
        session, tokens, now, Purpose.SIGN_UP, typed, address=request.address
    )
