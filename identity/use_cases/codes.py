"""The six digits of a mail: tried, counted, renewed. Only who reads the mailbox knows them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from identity.storage import invitation_codes, mails, verification_requests
from identity.storage.mails import Template
from identity.storage.verification_requests import Reality, State, VerificationRequest
from identity.tokens import Tokens

CODE_LIFETIME = timedelta(minutes=60)
TRIES = 5  # of one code
TRIES_A_DAY = 20  # wrong ones for one address; then codes are off and mails carry the link only
DAY = timedelta(days=1)


class Result(StrEnum):
    """What became of a typed code."""

    RIGHT = "right"
    WRONG = "wrong"
    EXPIRED = "expired"  # a mail with a new code was ordered, unless it is too soon for one
    LOCKED = "locked"
    OVER = "over"  # the request itself has ended


@dataclass(frozen=True)
class CodeAnswer:
    """`again_at`: when another mail may be asked for, with LOCKED and EXPIRED. `mailed`: one was just ordered."""

    result: Result
    tries_left: int = 0
    expired_at: datetime | None = None
    again_at: datetime | None = None
    mailed: bool = False


def type_code(
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, code: str
) -> CodeAnswer:
    """Try a code against a request, whatever is to be done if it is right. Counts the try."""
    if now >= request.code_made_at + CODE_LIFETIME:
        expired_at = request.code_made_at + CODE_LIFETIME
        mailed = order_mail(session, now, request)
        return CodeAnswer(
            Result.EXPIRED,
            expired_at=expired_at,
            again_at=mails.again_at(session, now, request.address),
            mailed=mailed,
        )
    if are_off(session, now, request.address):
        return CodeAnswer(Result.LOCKED, again_at=request.created_at + DAY)
    left = verification_requests.spend_try(session, request)
    if left is None:
        return _locked(session, now, request)
    # A request that mailed no code (R2: the web cannot tell) has none that could be right.
    right = tokens.is_code(code, request.id, request.code_generation)
    if right and request.reality == Reality.VERIFY:
        verification_requests.give_try_back(session, request)
        return CodeAnswer(Result.RIGHT)
    return CodeAnswer(Result.WRONG, tries_left=left) if left else _locked(session, now, request)


def are_off(session: Session, now: datetime, address: str) -> bool:
    """Whether so many wrong codes were typed for this address that none is accepted for a while."""
    since = now - DAY
    wrong = verification_requests.wrong_tries_since(session, address, since)
    return wrong + invitation_codes.wrong_tries_since(session, address, since) >= TRIES_A_DAY


def order_mail(session: Session, now: datetime, request: VerificationRequest) -> bool:
    """Order the mail of this request, with a new code if the old one is spent. False: too soon."""
    mails.lock_address(session, request.address)
    if mails.again_at(session, now, request.address) > now:
        return False
    if request.tries_left <= 0 or now >= request.code_made_at + CODE_LIFETIME:
        request.code_generation += 1
        request.code_made_at, request.tries_left = now, TRIES
    request.asked_at = now
    template = Template(request.reality)
    mails.order(
        session,
        now,
        template=template,
        address=request.address,
        language=request.language,
        subject_id=request.id,
        withheld=mails.is_over_daily(session, now, request.address, template),
    )
    session.flush()
    return True


def is_mailable(request: VerificationRequest, now: datetime) -> bool:
    """Whether the reason for this request's mail still stands when it is about to leave."""
    return request.state in {State.OPEN, State.CONFIRMED} and now < request.expires_at


def _locked(session: Session, now: datetime, request: VerificationRequest) -> CodeAnswer:
    return CodeAnswer(Result.LOCKED, again_at=mails.again_at(session, now, request.address))
