"""An address is typed, a mail goes out, and only the browser that asked, or who types the code, moves on."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.storage import accounts, associations, mails, verification_requests
from identity.storage.accounts import AccountState
from identity.storage.verification_requests import Reality, State, VerificationRequest
from identity.tokens import Tokens

from . import codes, invitations
from .codes import TRIES, CodeAnswer, Result

LIFETIME = timedelta(hours=24)  # of a request and its links
CONFIRMED_LIFETIME = timedelta(days=7)  # a proof given is kept while a homeserver is away
UNDO_LIFETIME = timedelta(days=7)


class Step(StrEnum):
    """Where a request stands now, for whoever looks at it."""

    OPEN = "open"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CONFIRMED = "confirmed"
    USED = "used"


def start(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    address: EmailAddress,
    browser: str,
    language: str,
) -> VerificationRequest:
    """Open a request, or go on with the one this browser has for the address, and order its mail.

    What the web answers is the same whatever is known of the address; only the mail differs: without
    an open domain or a waiting invitation it says that none waits.
    """
    mails.lock_address(session, address.canonical)
    request = verification_requests.latest_of(session, browser=browser, address=address.canonical)
    if request is None or where(request, now) in {Step.EXPIRED, Step.CANCELLED, Step.USED}:
        request = _open(session, rules, now, address=address, browser=browser, language=language)
    if where(request, now) is Step.OPEN:
        request.language = language
        request.reality = _reality(session, rules, now, address)
        codes.order_mail(session, now, request)
    return request


def find(session: Session, *, browser: str, ordinal: int) -> VerificationRequest | None:
    """The nth request of this browser."""
    return verification_requests.find(session, browser=browser, ordinal=ordinal)


def by_token_id(session: Session, request_id: UUID) -> VerificationRequest | None:
    """The request a mailed link is about."""
    return session.get(VerificationRequest, request_id)


def where(request: VerificationRequest, now: datetime, *, by_link: bool = False) -> Step:
    """Where the request stands.

    Only who holds the mailed link is told that an account has come of the address elsewhere: to a
    browser that proved nothing the request stays open (R2).
    """
    match State(request.state):
        case State.CANCELLED:
            return Step.CANCELLED
        case State.USED:
            return Step.USED
        case State.CONFIRMED:
            kept_until = (request.confirmed_at or request.created_at) + CONFIRMED_LIFETIME
            return Step.CONFIRMED if now < kept_until else Step.EXPIRED
        case State.OPEN if now >= request.expires_at:
            return Step.EXPIRED
        case State.OPEN if by_link and request.reality != Reality.VERIFY:
            return Step.USED
    return Step.OPEN


def again_at(session: Session, now: datetime, request: VerificationRequest) -> datetime:
    """When another mail may be asked for; `now` if at once."""
    return mails.again_at(session, now, request.address)


def resend(
    session: Session, now: datetime, request: VerificationRequest, *, rules: RuleSet, language: str
) -> bool:
    """Order the mail once more, by what is true now. False: too soon (see `again_at`), or nothing to prove."""
    if where(request, now) is not Step.OPEN:
        return False
    request.language = language
    request.reality = _reality(session, rules, now, EmailAddress.stored(request.address))
    return codes.order_mail(session, now, request)


def type_code(
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, code: str
) -> CodeAnswer:
    """The code, typed in the browser that asked: if it is right the request is confirmed."""
    if where(request, now) is not Step.OPEN:
        return CodeAnswer(Result.OVER)
    answer = codes.type_code(session, tokens, now, request, code)
    if answer.result is Result.RIGHT:
        _confirm(session, now, request)
    return answer


def confirm_by_link(session: Session, now: datetime, request: VerificationRequest) -> bool:
    """The button under the mailed link, pressed in the browser that asked."""
    return where(request, now, by_link=True) is Step.OPEN and _confirm(session, now, request)


def open_elsewhere(
    session: Session,
    tokens: Tokens,
    now: datetime,
    request: VerificationRequest,
    code: str,
    *,
    browser: str,
    language: str,
) -> tuple[CodeAnswer, VerificationRequest | None]:
    """The code, typed in another browser that holds the link: a new, confirmed request opens there.

    The first request does not move.
    """
    if where(request, now, by_link=True) not in {Step.OPEN, Step.CONFIRMED}:
        return CodeAnswer(Result.OVER), None
    answer = codes.type_code(session, tokens, now, request, code)
    if answer.result is not Result.RIGHT:
        return answer, None
    opened = open_confirmed(
        session,
        now,
        address=request.address,
        homeserver=request.homeserver,
        browser=browser,
        language=language,
    )
    return answer, opened


def open_confirmed(
    session: Session,
    now: datetime,
    *,
    address: str,
    homeserver: str | None,
    browser: str,
    language: str,
) -> VerificationRequest:
    """The confirmed request of a browser in which the mailbox was just proved by another mail's code."""
    latest = verification_requests.latest_of(session, browser=browser, address=address)
    if latest is not None and where(latest, now) is Step.CONFIRMED:
        return latest
    return _add(
        session,
        VerificationRequest(
            address=address,
            browser=browser,
            language=language,
            reality=Reality.VERIFY,
            homeserver=homeserver,
            created_at=now,
            expires_at=now + LIFETIME,
            asked_at=now,
            code_made_at=now,
            tries_left=0,  # nothing was mailed under its id
            state=State.CONFIRMED,
            confirmed_at=now,
        ),
    )


def cancel(session: Session, now: datetime, request: VerificationRequest) -> None:
    """“Not me”: the links and codes of this request end. Undone within seven days if it was a slip."""
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
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, code: str
) -> CodeAnswer:
    """“Not me” from a browser without the cookie: who has the mail has its code."""
    if where(request, now) not in {Step.OPEN, Step.CONFIRMED}:
        return CodeAnswer(Result.OVER)
    answer = codes.type_code(session, tokens, now, request, code)
    if answer.result is Result.RIGHT:
        cancel(session, now, request)
    return answer


def undo_with_code(
    session: Session, tokens: Tokens, now: datetime, request: VerificationRequest, code: str
) -> CodeAnswer:
    """The way back from `cancel_with_code`."""
    if where(request, now) is not Step.CANCELLED:
        return CodeAnswer(Result.OVER)
    answer = codes.type_code(session, tokens, now, request, code)
    if answer.result is Result.RIGHT and not undo_cancel(session, now, request):
        return CodeAnswer(Result.OVER)
    return answer


def rotate_browser(session: Session, *, old: str, new: str) -> None:
    """A renewed cookie: all requests of the browser follow it."""
    verification_requests.follow_browser(session, old=old, new=new)


def _open(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    address: EmailAddress,
    browser: str,
    language: str,
) -> VerificationRequest:
    return _add(
        session,
        VerificationRequest(
            address=address.canonical,
            browser=browser,
            language=language,
            reality=Reality.NONE,
            homeserver=rules.decide(address).homeserver,
            created_at=now,
            expires_at=now + LIFETIME,
            asked_at=now,
            code_made_at=now,
            tries_left=TRIES,
            state=State.OPEN,
        ),
    )


def _add(session: Session, request: VerificationRequest) -> VerificationRequest:
    verification_requests.lock_browser(session, request.browser)
    request.ordinal = verification_requests.next_ordinal(session, request.browser)
    session.add(request)
    session.flush()
    return request


def _confirm(session: Session, now: datetime, request: VerificationRequest) -> bool:
    won = verification_requests.move(
        session, request, source=State.OPEN, to=State.CONFIRMED, confirmed_at=now
    )
    return won or request.state == State.CONFIRMED


def _reality(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> Reality:
    if has_account(session, address.canonical):
        return Reality.EXISTS
    may_register = invitations.may_register(session, rules, now, address)
    return Reality.VERIFY if may_register else Reality.NONE


def has_account(session: Session, address: str) -> bool:
    """Whether somebody is known by this address. To be told only to who proved it (R2)."""
    account = accounts.of_address(session, address)
    if account is not None:
        return account.state == AccountState.READY
    return associations.of_address(session, address) is not None
