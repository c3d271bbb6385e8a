"""How it stands with one person, as one word and its values: what support reads first."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import func, literal, or_, select, true
from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass
from identity.accounts.models import AccountState
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes.limits import MAX_TRIES, MAX_TRIES_FOR_ADDRESS
from identity.core.one_time_codes.models import OneTimeCode, Purpose, WrongTry
from identity.core.personal_data import View
from identity.invitations.models import OPEN, ThirdPartyInvitation
from identity.mail import models as mails
from identity.mail.models import Mail, MailState
from identity.mail.person import suppression_hashes
from identity.mail.quota import Template
from identity.mail.suppressions import Suppression, SuppressionReason
from identity.sign_up.models import State, VerificationRequest

from .files import OpenFile

DAY: Final = timedelta(days=1)
MOST: Final = 99  # invitations, and wrong codes of a day, are counted no further


class Situation(StrEnum):
    """What matters most just now; the first that is true."""

    ACCESS_ENDED = "access_ended"  # of a guest
    CODES_LOCKED = "codes_locked"  # five wrong ones: the code of the mail is not taken any more
    ADDRESS_LOCKED = "address_locked"  # twenty wrong ones in a day, for all their codes
    NO_MAILBOX = "no_mailbox"  # their mail server does not know the address: no mail leaves
    MAIL_REFUSED = "mail_refused"
    MAIL_WAITS = "mail_waits"
    CODE_AWAITED = "code_awaited"  # the mail was handed over, no code was typed yet
    VERIFIED = "verified"  # no account yet
    ACCOUNT_BEGUN = "account_begun"
    HAS_ACCOUNT = "has_account"
    INVITED = "invited"
    REQUEST_OVER = "request_over"  # it ended without a code
    NOT_OPEN = "not_open"  # the rules put the address nowhere
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
    last_try: datetime | None
    invitations: int
    request: str | None
    request_ends: datetime | None
    language: str | None
    mail: str | None
    mail_at: datetime | None
    reply: str | None
    mail_language: str | None
    away_since: datetime | None


def tell(session: Session, hashes: KeyedHashes, now: datetime, opened: OpenFile) -> Short:
    """How it stands now with the person of this file."""
    facts = _read(View(session, hashes, now, opened.person))
    situation, values = _decide(facts, now, opened)
    if situation is Situation.CODES_LOCKED:
        # When one more mail may leave, which brings a code of its own.
        values["next_mail_at"] = mails.earliest_by_bounds(
            session, now, opened.person.address, Template.VERIFY
        )
    account = opened.account
    used = (facts.language, account.language if account else None, facts.mail_language)
    language = next((each for each in used if each), "")
    return Short(situation, values, facts.invitations, language)


def _decide(facts: _Facts, now: datetime, opened: OpenFile) -> tuple[Situation, dict[str, Any]]:
    account = opened.account
    if account is not None and account.account_class == AccountClass.GUEST.value:
        ended = account.access_ends_at
        if ended is not None and ended <= now:
            return Situation.ACCESS_ENDED, {"at": ended}
    # Who has signed up with the right code is no longer kept by wrong ones.
    is_open = facts.request == State.OPEN and (facts.request_ends or now) > now
    if is_open or account is None:
        if facts.tries >= MAX_TRIES_FOR_ADDRESS:
            until = (facts.last_try or now) + DAY
            return Situation.ADDRESS_LOCKED, {"n": facts.tries, "until": until}
        is_alive = facts.alive_until is not None and facts.alive_until > now
        if is_alive and (facts.wrong or 0) >= MAX_TRIES:
            return Situation.CODES_LOCKED, {"n": facts.wrong, "at": facts.last_try or now}
    if facts.away_since is not None:
        return Situation.NO_MAILBOX, {"at": facts.away_since}
    if account is not None:
        made = account.state == AccountState.READY
        return (Situation.HAS_ACCOUNT if made else Situation.ACCOUNT_BEGUN), {
            "at": account.ready_at or account.created_at,
            "user_id": account.user_id,
        }
    return _decide_without_account(facts, is_open=is_open, opened=opened)


def _decide_without_account(
    facts: _Facts, *, is_open: bool, opened: OpenFile
) -> tuple[Situation, dict[str, Any]]:
    mail_at = {"at": facts.mail_at}
    was_refused = facts.mail in {MailState.REFUSED, MailState.GAVE_UP}
    is_closed = opened.decision.homeserver is None
    for situation, is_true, values in (
        (Situation.MAIL_REFUSED, was_refused, {**mail_at, "reply": facts.reply or ""}),
        (Situation.MAIL_WAITS, facts.mail == MailState.WAITING, mail_at),
        (Situation.CODE_AWAITED, is_open, mail_at),
        (Situation.VERIFIED, facts.request == State.CONFIRMED, {}),
        (Situation.INVITED, facts.invitations > 0, {"n": facts.invitations}),
        (Situation.NOT_OPEN, is_closed, {}),
        (Situation.REQUEST_OVER, facts.request is not None, {}),
    ):
        if is_true:
            return situation, dict(values)
    return Situation.NOTHING, {}


def _read(view: View) -> _Facts:
    """Everything that `_decide` looks at, in one statement."""
    person, now = view.person, view.now
    code, tried, asked, mail = OneTimeCode, WrongTry, VerificationRequest, Mail
    of_sign_up = (code.purpose == Purpose.SIGN_UP, code.subject.in_(person.addresses))
    codes = (
        select(code.wrong, code.alive_until)
        .where(*of_sign_up)
        .order_by(code.generation.desc())
        .limit(1)
        .subquery()
    )
    theirs = (tried.address.in_(person.addresses), tried.at > now - DAY)
    newest = select(tried.at).where(*theirs).order_by(tried.at.desc()).limit(MOST + 1).subquery()
    tries = select(func.max(newest.c.at).label("at"), func.count().label("n")).select_from(newest)
    row = ThirdPartyInvitation
    waiting = (row.address.in_(person.addresses), row.ended_at.is_(None), row.expires_at > now)
    some = select(literal(1)).where(*waiting, row.state.in_(OPEN)).limit(MOST + 1).subquery()
    invitations = select(func.count().label("n")).select_from(some).subquery()
    requests = (
        select(asked.state, asked.expires_at, asked.language)
        .where(asked.address.in_(person.addresses))
        .order_by(asked.created_at.desc(), asked.id)
        .limit(1)
        .subquery()
    )
    last = (
        select(mail.state, func.coalesce(mail.ended_at, mail.due_at, mail.created_at).label("at"))
        .add_columns(mail.last_reply, mail.language)
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
    found = view.session.execute(
        select(
            *(codes.c.wrong, codes.c.alive_until, one.c.n, one.c.at, invitations.c.n),
            *(requests.c.state, requests.c.expires_at, requests.c.language),
            *(last.c.state, last.c.at, last.c.last_reply, last.c.language, kept.c.since),
        ).select_from(joined.join(invitations, true()).join(kept, true()))
    ).one()
    return _Facts._make(found)
