"""How it stands with one person, as one word and its values: what support reads first."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import func, literal, or_, select, true
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import DecisionReason
from identity.accounts.models import Account, AccountState
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes.limits import MAX_TRIES, MAX_TRIES_FOR_ADDRESS
from identity.core.one_time_codes.models import OneTimeCode, Purpose, WrongTry
from identity.core.outbox import Job, JobKind
from identity.core.personal_data import View
from identity.homeservers.models import Homeserver
from identity.invitations.models import OPEN, ThirdPartyInvitation
from identity.mail import models as mails
from identity.mail.models import Mail, MailState
from identity.mail.pausing import PAUSED
from identity.mail.person import suppression_hashes
from identity.mail.quota import Template
from identity.mail.suppressions import Suppression, SuppressionReason
from identity.problems import HomeserverRetired, Stopped
from identity.sign_up import openness
from identity.sign_up.models import State, VerificationRequest
from identity.sign_up.visibility import CONFIRMED_LIFETIME

from .files import OpenFile

DAY: Final = timedelta(days=1)
MOST: Final = 99  # invitations are counted no further
MADE_WITHIN: Final = timedelta(minutes=15)  # an account is not made any more after that


class Situation(StrEnum):
    """What matters most just now; the first that is true."""

    ACCESS_ENDED = "access_ended"  # of a guest
    CODES_LOCKED = "codes_locked"  # five wrong ones: the code of the mail is not taken any more
    ADDRESS_LOCKED = "address_locked"  # twenty wrong ones in a day, for all their codes
    NO_MAILBOX = "no_mailbox"  # their mail server does not know the address: no mail leaves
    ACCOUNT_BEGUN = "account_begun"
    ACCOUNT_STUCK = "account_stuck"  # begun, and nobody goes on making it
    HAS_ACCOUNT = "has_account"
    STOPPED = "stopped"  # sign-ups, or those of their domain or homeserver, by an operator
    NOT_OPEN = "not_open"  # the rules put the address nowhere
    VERIFIED = "verified"  # no account yet
    NEEDS_INVITATION = "needs_invitation"  # the rules want one, and none waits (any more)
    MAIL_REFUSED = "mail_refused"
    MAIL_GAVE_UP = "mail_gave_up"  # it could not be handed over in time
    MAIL_STOPPED = "mail_stopped"  # by an operator
    MAIL_WAITS = "mail_waits"
    MAIL_NOT_SENT = "mail_not_sent"  # cancelled, or one too many; their sign-up waits
    CODE_AWAITED = "code_awaited"  # the mail was handed over, no code was typed yet
    INVITED = "invited"
    REQUEST_OVER = "request_over"  # it ended without a code
    NOTHING = "nothing"  # nothing is known, and nothing is in their way


@dataclass(frozen=True)
class Short:
    """The situation, with the values that its sentence needs; `invitations` that wait (100: more).

    `values`: moments as datetime, numbers, a mail server's reply. `language`: the one that the
    person used last, "" if none is known.
    """

    situation: Situation
    values: dict[str, Any] = field(default_factory=dict)
    invitations: int = 0
    language: str = ""


class _Facts(NamedTuple):
    """One row of what is stored, see `_read`."""

    wrong: int | None
    alive_until: datetime | None
    tries: int
    first_try: datetime | None
    last_try: datetime | None
    invitations: int
    request: str | None
    request_ends: datetime | None
    confirmed_at: datetime | None
    language: str | None
    mail: str | None
    mail_at: datetime | None
    reply: str | None
    mail_language: str | None
    held_by: str | None
    mail_error: str | None
    away_since: datetime | None
    homeserver: Homeserver | None
    """Where the rules put the address; while it is held here, the session need not ask for it."""


def tell(session: Session, hashes: KeyedHashes, now: datetime, opened: OpenFile) -> Short:
    """How it stands now with the person of this file."""
    facts = _read(View(session, hashes, now, opened.person), opened.decision.homeserver)
    situation, values = _decide(facts, now, opened, is_stopped=_is_stopped(session, now, opened))
    if situation is Situation.CODES_LOCKED:
        # When one more mail may leave, which brings a code of its own.
        values["next_mail_at"] = mails.earliest_by_bounds(
            session, now, opened.person.address, Template.VERIFY
        )
    account = opened.account
    used = (facts.language, account.language if account else None, facts.mail_language)
    language = next((each for each in used if each), "")
    return Short(situation, values, facts.invitations, language)


def _is_stopped(session: Session, now: datetime, opened: OpenFile) -> bool:
    """Whether operators let nobody sign up with this address now."""
    if opened.account is not None:
        return False
    address = EmailAddress.stored(opened.person.address)
    try:
        openness.check_open_at(session, now, address, opened.decision.homeserver)
    except (Stopped, HomeserverRetired):
        return True
    return False


def _decide(
    facts: _Facts, now: datetime, opened: OpenFile, *, is_stopped: bool
) -> tuple[Situation, dict[str, Any]]:
    account = opened.account
    if account is not None and account.account_class == AccountClass.GUEST.value:
        ended = account.access_ends_at
        if ended is not None and ended <= now:
            return Situation.ACCESS_ENDED, {"at": ended}
    # Who has signed up with the right code is no longer kept by wrong ones.
    is_open = facts.request == State.OPEN and (facts.request_ends or now) > now
    if is_open or account is None:
        if facts.tries >= MAX_TRIES_FOR_ADDRESS:
            until = (facts.first_try or now) + DAY
            return Situation.ADDRESS_LOCKED, {"n": facts.tries, "until": until}
        is_alive = facts.alive_until is not None and facts.alive_until > now
        if is_alive and (facts.wrong or 0) >= MAX_TRIES:
            return Situation.CODES_LOCKED, {"n": facts.wrong, "at": facts.last_try or now}
    if facts.away_since is not None:
        return Situation.NO_MAILBOX, {"at": facts.away_since}
    if account is not None:
        return _of_account(account, now)
    ways = {"is_open": is_open, "is_stopped": is_stopped}
    return _decide_without_account(facts, now, opened, **ways)


def _of_account(account: Account, now: datetime) -> tuple[Situation, dict[str, Any]]:
    values = {"at": account.ready_at or account.created_at, "user_id": account.user_id}
    if account.state == AccountState.READY:
        return Situation.HAS_ACCOUNT, values
    is_stuck = now - account.created_at > MADE_WITHIN
    return (Situation.ACCOUNT_STUCK if is_stuck else Situation.ACCOUNT_BEGUN), values


def _decide_without_account(
    facts: _Facts, now: datetime, opened: OpenFile, *, is_open: bool, is_stopped: bool
) -> tuple[Situation, dict[str, Any]]:
    decision, mail = opened.decision, facts.mail
    mail_at, reply = {"at": facts.mail_at}, {"reply": facts.reply or ""}
    is_closed = decision.homeserver is None
    is_invited = facts.invitations > 0
    must_be_invited = decision.reason is not DecisionReason.OPEN and not is_invited
    is_verified = (
        facts.request == State.CONFIRMED
        and facts.confirmed_at is not None
        and facts.confirmed_at + CONFIRMED_LIFETIME > now
    )
    waits = mail == MailState.WAITING
    is_kept_back = waits and (facts.held_by is not None or facts.mail_error == PAUSED)
    for situation, is_true, values in (
        (Situation.STOPPED, is_stopped, {}),
        (Situation.NOT_OPEN, is_closed, {}),
        (Situation.VERIFIED, is_verified, {}),
        (Situation.NEEDS_INVITATION, must_be_invited, {}),
        (Situation.MAIL_REFUSED, mail == MailState.REFUSED, mail_at | reply),
        (Situation.MAIL_GAVE_UP, mail == MailState.GAVE_UP, mail_at),
        (Situation.MAIL_STOPPED, is_kept_back, {}),
        (Situation.MAIL_WAITS, waits, mail_at),
        (Situation.MAIL_NOT_SENT, is_open and mail != MailState.HANDED, {}),
        (Situation.CODE_AWAITED, is_open, mail_at),
        (Situation.INVITED, is_invited, {"n": facts.invitations}),
        (Situation.REQUEST_OVER, facts.request is not None, {}),
    ):
        if is_true:
            return situation, dict(values)
    return Situation.NOTHING, {}


def _read(view: View, homeserver: str | None) -> _Facts:
    """Everything that `_decide` looks at, in one statement."""
    person, now = view.person, view.now
    code, tried, asked, mail = OneTimeCode, WrongTry, VerificationRequest, Mail
    codes = (
        select(code.wrong, code.alive_until)
        .where(code.purpose == Purpose.SIGN_UP, code.subject.in_(person.addresses))
        .order_by(code.generation.desc())
        .limit(1)
        .subquery()
    )
    theirs = (tried.address.in_(person.addresses), tried.at > now - DAY)
    newest = select(tried.at).where(*theirs).order_by(tried.at.desc())
    last_ones = newest.limit(MAX_TRIES_FOR_ADDRESS).subquery()
    tries = select(
        func.count().label("n"),
        func.min(last_ones.c.at).label("first"),
        func.max(last_ones.c.at).label("last"),
    ).select_from(last_ones)
    row = ThirdPartyInvitation
    waiting = (row.address.in_(person.addresses), row.ended_at.is_(None), row.expires_at > now)
    some = select(literal(1)).where(*waiting, row.state.in_(OPEN)).limit(MOST + 1).subquery()
    invitations = select(func.count().label("n")).select_from(some).subquery()
    requests = (
        select(asked.state, asked.expires_at, asked.confirmed_at, asked.language)
        .where(asked.address.in_(person.addresses))
        .order_by(asked.created_at.desc(), asked.id)
        .limit(1)
        .subquery()
    )
    last = (
        select(mail.state, func.coalesce(mail.ended_at, mail.due_at, mail.created_at).label("at"))
        .add_columns(mail.last_reply, mail.language, mail.id)
        .where(mail.address.in_(person.addresses))
        .order_by(mail.created_at.desc(), mail.id)
        .limit(1)
        .subquery()
    )
    away = Suppression
    in_force = (
        away.address_hash.in_(suppression_hashes(view)),
        away.why == SuppressionReason.NO_MAILBOX,
        or_(away.until.is_(None), away.until > now),
    )
    kept = select(func.max(away.since).label("since")).where(*in_force).subquery()
    one = tries.subquery()
    joined = one.outerjoin(codes, true()).outerjoin(requests, true()).outerjoin(last, true())
    joined = joined.outerjoin(Job, (Job.subject_id == last.c.id) & (Job.kind == JobKind.MAIL))
    found = view.session.execute(
        select(
            *(codes.c.wrong, codes.c.alive_until, one.c.n, one.c.first, one.c.last),
            *(invitations.c.n, requests.c.state, requests.c.expires_at, requests.c.confirmed_at),
            *(requests.c.language, last.c.state, last.c.at, last.c.last_reply, last.c.language),
            *(Job.held_by, Job.last_error, kept.c.since, Homeserver),
        )
        .select_from(joined.join(invitations, true()).join(kept, true()))
        .outerjoin(Homeserver, Homeserver.name == homeserver)
        .limit(1)
    ).one()
    return _Facts._make(found)
