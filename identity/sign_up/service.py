"""Sign-up without HTTP: open a request for an address, order its mail, confirm it by code or link.

Only the browser that made the request, or one in which the mailed code is typed, goes on.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.core import metrics
from identity.core.database import count_after_commit
from identity.core.one_time_codes import models as stored_codes
from identity.core.one_time_codes.limits import NO_NETWORKS, CallerNetworks
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import (
    LIFETIMES,
    RESENT_WITHIN,
    CodeAnswer,
    Result,
    TypedCode,
)
from identity.core.tokens import Tokens
from identity.mail import code_mails, models as mails
from identity.mail.code_mails import MAX_ELSEWHERE
from identity.mail.quota import Template
from identity.problems import NoSuchRequest

from . import models as verification_requests, openness
from .models import State, VerificationRequest
from .not_me import spend_code
from .visibility import Step, step_of, step_seen_by

LIFETIME = timedelta(hours=24)  # of a request and its links


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
    """Open a request, or go on with this browser's request for the address, and order its mail.

    This does the same for every address, known or not; the worker decides what the mail says.
    `again`: order a mail even if one left just now. `browser`: the hash of the browser's id. Raises
    what `openness.check_open` raises.
    """
    openness.check_open(session, rules, now, address)
    mails.lock_address(session, address.canonical)
    verification_requests.lock_browser(session, browser)
    latest = verification_requests.latest_of(session, browser=browser, address=address.canonical)
    request = latest
    if request is None or step_of(request, now) in {Step.EXPIRED, Step.CANCELLED, Step.USED}:
        request = _open(
            session,
            now,
            State.OPEN,
            address=address.canonical,
            homeserver=rules.decide(address).homeserver,
            browser=browser,
            language=language,
            device=device,
        )
    if step_of(request, now) is Step.OPEN:
        request.language = language
        had_at = latest.mail_at if latest else None
        _order_mail(session, now, request, had_at=had_at, again=again)
    return request


def find_own(session: Session, *, browser: str | None, ordinal: int) -> VerificationRequest:
    """The nth request of the browser with this hash. Raises NoSuchRequest."""
    found = (
        verification_requests.find(session, browser=browser, ordinal=ordinal) if browser else None
    )
    if found is None:
        raise NoSuchRequest
    return found


def find_elsewhere(
    session: Session, now: datetime, address: str, *, browsers: Collection[str]
) -> Sequence[VerificationRequest]:
    """The requests of other browsers for this address, newest first; page and mail name them."""
    return verification_requests.find_elsewhere(
        session, address, browsers=browsers, now=now, limit=MAX_ELSEWHERE
    )


def resend(session: Session, now: datetime, request: VerificationRequest, *, language: str) -> bool:
    """Order the mail once more, for the first moment the limits allow (`mail_at`).

    False if the request is not open any more. Raises what `openness.check_open` raises.
    """
    address = EmailAddress.stored(request.address)
    openness.check_open_at(session, now, address, request.homeserver)
    if step_of(request, now) is not Step.OPEN:
        return False
    request.language = language
    _order_mail(session, now, request, had_at=request.mail_at, again=True)
    return True


def try_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    request: VerificationRequest,
    code: str,
    *,
    networks: CallerNetworks = NO_NETWORKS,
) -> CodeAnswer:
    """Try a code typed in the browser that made the request; a right one confirms the request.

    If the code has expired or was used, a mail with the next one is ordered.
    """
    # The address is locked before the code, in the worker's order: else the two could deadlock.
    mails.lock_address(session, request.address)
    if step_of(request, now) is not Step.OPEN:
        return CodeAnswer(Result.OVER)
    known = verification_requests.was_confirmed_in(
        session, browser=request.browser, address=request.address
    )
    typed = TypedCode(code, networks=networks, known=known, browser=request.browser)
    answer = spend_code(session, tokens, now, request, typed)
    if answer.result is Result.RIGHT and not _confirm(session, now, request):
        # "Not me" was said with the code in another browser, so this one must not go on.
        answer = CodeAnswer(Result.OVER, is_used=True)
    if answer.result is Result.RIGHT:
        order_mail(session, now, request, Template.CODE_USED)
    if answer.result is Result.OVER:
        # If no mail has left yet, the one that was ordered brings the code.
        again = answer.is_used or answer.ended_at is not None
        _order_mail(session, now, request, had_at=request.mail_at, again=again)
        return replace(answer, mail_at=request.mail_at)
    return answer


def confirm_by_link(session: Session, now: datetime, request: VerificationRequest) -> bool:
    """Confirm by the button on the mailed link's page, in the browser that made the request."""
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
    """Try a code typed in another browser on the mailed link's page.

    A right one opens a new, confirmed request in that browser. The first request is not changed.
    """
    if step_seen_by(request, now, browsers=(browser,)) is not Step.OPEN:
        return CodeAnswer(Result.OVER), None
    answer = spend_code(session, tokens, now, request, TypedCode(code, held=True, browser=browser))
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
    order_mail(session, now, opened, Template.CODE_USED)
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
    """A confirmed request for a browser in which the mailbox was just verified by another code."""
    latest = verification_requests.latest_of(session, browser=browser, address=address)
    if latest is not None and step_of(latest, now) is Step.CONFIRMED:
        return latest
    return _open(
        session,
        now,
        State.CONFIRMED,
        address=address,
        homeserver=homeserver,
        browser=browser,
        language=language,
        device=device,
        confirmed_at=now,
    )


def find_just_confirmed(
    session: Session, now: datetime, *, browser_before: str
) -> Sequence[VerificationRequest]:
    """The requests that the browser with this cookie confirmed within the last minute."""
    return verification_requests.find_just_confirmed(
        session, browser_before=browser_before, since=now - RESENT_WITHIN
    )


def rotate_browser(session: Session, *, old: str, new: str) -> None:
    """Store a browser's new hash with all its requests and the codes it has used."""
    verification_requests.rename_browser(session, old=old, new=new)
    stored_codes.move_to_browser(session, old=old, new=new)


def _open(
    session: Session, now: datetime, state: State, *, browser: str, **facts: object
) -> VerificationRequest:
    verification_requests.lock_browser(session, browser)
    request = VerificationRequest(
        browser=browser,
        ordinal=verification_requests.next_ordinal(session, browser),
        created_at=now,
        expires_at=now + LIFETIME,
        state=state,
        **facts,
    )
    session.add(request)
    session.flush()
    step = "started" if state is State.OPEN else "verified"
    count_after_commit(session, metrics.SIGN_UPS, step=step)
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
        tell_sooner=verification_requests.record_moved_mail,
        again=again,
    )
    if ordered.is_new or request.mail_at != ordered.leaves_at:
        request.asked_at, request.mail_at = now, ordered.leaves_at
    # A mail that has to wait long must find its request unexpired.
    request.expires_at = max(request.expires_at, ordered.leaves_at + LIFETIMES[Purpose.SIGN_UP])
    session.flush()


def order_mail(
    session: Session, now: datetime, request: VerificationRequest, template: Template
) -> None:
    """Order a mail about the request, in its language: that a code was used, and the like."""
    mails.order(
        session,
        now,
        template=template,
        address=request.address,
        language=request.language,
        subject_id=request.id,
    )


def _confirm(session: Session, now: datetime, request: VerificationRequest) -> bool:
    if request.refused_at is not None:
        return False
    won = verification_requests.change_state(
        session, request, source=State.OPEN, to=State.CONFIRMED, confirmed_at=now
    )
    if won:
        count_after_commit(session, metrics.SIGN_UPS, step="verified")
    return won or request.state == State.CONFIRMED
