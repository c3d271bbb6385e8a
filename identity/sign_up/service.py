"""An address is typed, a mail goes out, and only the browser that asked, or who types the code, moves on."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.accounts.known_people import has_account
from identity.core.one_time_codes import models as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import (
    JUST,
    LIFETIMES,
    NOWHERE,
    CodeAnswer,
    Place,
    Result,
    Typed,
)
from identity.core.tokens import Tokens
from identity.mail import code_mails
from identity.mail import models as mails
from identity.mail.code_mails import MAX_ELSEWHERE
from identity.mail.models import Template

from . import models as verification_requests
from .models import State, VerificationRequest
from .not_me import cancel, cancel_with_code, spend, undo_cancel, undo_with_code
from .visibility import CONFIRMED_LIFETIME, Step, seen_in, step_of

LIFETIME = timedelta(hours=24)  # of a request and its links

__all__ = [
    "CONFIRMED_LIFETIME",
    "Step",
    "cancel",
    "cancel_with_code",
    "has_account",
    "seen_in",
    "step_of",
    "undo_cancel",
    "undo_with_code",
]


def start(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    address: EmailAddress,
    browser: str,
    language: str,
    device: str = "",
    again: bool = False,
) -> VerificationRequest:
    """Open a request, or go on with the one this browser has for the address, and order its mail.

    What is done is the same whatever is known of the address: what the mail says, the worker decides.
    `again`: a mail that left just now is not enough.
    """
    mails.lock_address(session, address.canonical)
    verification_requests.lock_browser(session, browser)
    latest = verification_requests.latest_of(session, browser=browser, address=address.canonical)
    request = latest
    if request is None or step_of(request, now) in {Step.EXPIRED, Step.CANCELLED, Step.USED}:
        request = _open(
            session, rules, now, address=address, browser=browser, language=language, device=device
        )
    if step_of(request, now) is Step.OPEN:
        request.language = language
        had_at = latest.mail_at if latest else None
        _order_mail(session, now, request, had_at=had_at, again=again)
    return request


def find(session: Session, *, browser: str, ordinal: int) -> VerificationRequest | None:
    """The nth request of this browser."""
    return verification_requests.find(session, browser=browser, ordinal=ordinal)


def by_token_id(session: Session, request_id: UUID) -> VerificationRequest | None:
    """The request a mailed link is about."""
    return session.get(VerificationRequest, request_id)


def elsewhere(
    session: Session, now: datetime, address: str, *, browsers: Collection[str]
) -> list[VerificationRequest]:
    """The other browsers in which this address was typed, newest first: page and mail name them."""
    return verification_requests.asked_elsewhere(
        session, address, browsers=browsers, now=now, limit=MAX_ELSEWHERE
    )


def resend(session: Session, now: datetime, request: VerificationRequest, *, language: str) -> bool:
    """Order the mail once more, for the first moment it may leave (`mail_at`). False: nothing to prove."""
    if step_of(request, now) is not Step.OPEN:
        return False
    request.language = language
    _order_mail(session, now, request, had_at=request.mail_at, again=True)
    return True


def type_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    request: VerificationRequest,
    code: str,
    *,
    place: Place = NOWHERE,
) -> CodeAnswer:
    """The code, typed in the browser that asked: if it is right the request is confirmed.

    If it has ended, a mail with the next one is ordered.
    """
    mails.lock_address(session, request.address)  # before the code's, as the worker does
    if step_of(request, now) is not Step.OPEN:
        return CodeAnswer(Result.OVER)
    known = verification_requests.was_confirmed_in(
        session, browser=request.browser, address=request.address
    )
    typed = Typed(code, place=place, known=known, browser=request.browser)
    answer = spend(session, tokens, now, request, typed)
    if answer.result is Result.RIGHT and not _confirm(session, now, request):
        # "Not me" was said with the code in another browser: this one is not to go on.
        answer = CodeAnswer(Result.OVER, is_used=True)
    if answer.result is Result.RIGHT:
        tell_used(session, now, request)
    if answer.result is Result.OVER:
        # Where none has left yet, the mail that is on its way is the one to wait for.
        again = answer.is_used or answer.ended_at is not None
        _order_mail(session, now, request, had_at=request.mail_at, again=again)
        return replace(answer, mail_at=request.mail_at)
    return answer


def confirm_by_link(session: Session, now: datetime, request: VerificationRequest) -> bool:
    """The button under the mailed link, pressed in the browser that asked."""
    return step_of(request, now) is Step.OPEN and _confirm(session, now, request)


def open_elsewhere(
    session: Session,
    tokens: Tokens,
    now: datetime,
    request: VerificationRequest,
    code: str,
    *,
    browser: str,
    language: str,
    device: str = "",
) -> tuple[CodeAnswer, VerificationRequest | None]:
    """The code, typed in another browser that holds the link: a new, confirmed request opens there.

    The first request does not move.
    """
    if seen_in(request, now, browsers=(browser,)) is not Step.OPEN:
        return CodeAnswer(Result.OVER), None
    answer = spend(session, tokens, now, request, Typed(code, held=True, browser=browser))
    if answer.result is not Result.RIGHT:
        return answer, None
    if request.refused_at is not None:
        return CodeAnswer(Result.OVER, is_used=True), None
    opened = open_confirmed(
        session,
        now,
        address=request.address,
        homeserver=request.homeserver,
        browser=browser,
        language=language,
        device=device,
    )
    tell_used(session, now, opened)
    return answer, opened


def open_confirmed(
    session: Session,
    now: datetime,
    *,
    address: str,
    homeserver: str | None,
    browser: str,
    language: str,
    device: str = "",
) -> VerificationRequest:
    """The confirmed request of a browser in which the mailbox was just proved by another mail's code."""
    latest = verification_requests.latest_of(session, browser=browser, address=address)
    if latest is not None and step_of(latest, now) is Step.CONFIRMED:
        return latest
    return _add(
        session,
        VerificationRequest(
            address=address,
            browser=browser,
            language=language,
            device=device,
            homeserver=homeserver,
            created_at=now,
            expires_at=now + LIFETIME,
            state=State.CONFIRMED,
            confirmed_at=now,
        ),
    )


def just_confirmed(
    session: Session, now: datetime, *, browser_before: str
) -> list[VerificationRequest]:
    """What a browser confirmed a moment ago, known by the cookie that was renewed then."""
    return verification_requests.just_confirmed(
        session, browser_before=browser_before, since=now - JUST
    )


def rotate_browser(session: Session, *, old: str, new: str) -> None:
    """A renewed cookie: all requests of the browser follow it, and the codes it has used."""
    verification_requests.follow_browser(session, old=old, new=new)
    one_time_codes.follow_browser(session, old=old, new=new)


def _open(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    address: EmailAddress,
    browser: str,
    language: str,
    device: str,
) -> VerificationRequest:
    return _add(
        session,
        VerificationRequest(
            address=address.canonical,
            browser=browser,
            language=language,
            device=device,
            homeserver=rules.decide(address).homeserver,
            created_at=now,
            expires_at=now + LIFETIME,
            state=State.OPEN,
        ),
    )


def _add(session: Session, request: VerificationRequest) -> VerificationRequest:
    verification_requests.lock_browser(session, request.browser)
    request.ordinal = verification_requests.next_ordinal(session, request.browser)
    session.add(request)
    session.flush()
    return request


def _order_mail(
    session: Session,
    now: datetime,
    request: VerificationRequest,
    *,
    had_at: datetime | None,
    again: bool = False,
) -> None:
    ordered = code_mails.order(
        session,
        now,
        template=Template.VERIFY,
        address=request.address,
        subject_id=request.id,
        language=request.language,
        had_at=had_at,
        tell_sooner=verification_requests.mail_comes_sooner,
        again=again,
    )
    if ordered.is_new or request.mail_at != ordered.leaves_at:
        request.asked_at, request.mail_at = now, ordered.leaves_at
    # A mail that has to wait long brings its code to a request that still stands.
    request.expires_at = max(request.expires_at, ordered.leaves_at + LIFETIMES[Purpose.SIGN_UP])
    session.flush()


def tell_used(session: Session, now: datetime, request: VerificationRequest) -> None:
    """The mailbox hears that a code of its was used, and how to say that it was somebody else."""
    mails.order(
        session,
        now,
        template=Template.CODE_USED,
        address=request.address,
        language=request.language,
        subject_id=request.id,
    )


def _confirm(session: Session, now: datetime, request: VerificationRequest) -> bool:
    if request.refused_at is not None:
        return False
    won = verification_requests.move(
        session, request, source=State.OPEN, to=State.CONFIRMED, confirmed_at=now
    )
    return won or request.state == State.CONFIRMED
