"""Mails that carry a code: ordered alike for everybody, and what they say is decided when they leave.

Who asks for a mail causes the same rows and the same bell whatever is known of the address; only the
worker looks at accounts, invitations and refusals (R2).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from . import models as mails
from .models import Mail, Template
from .quota import DAILY

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

SIGN_UP = (Template.VERIFY, Template.EXISTS, Template.NONE)
LISTS = (Template.LIST_CODE,)
COUNTED = {Template.VERIFY: mails.ASKED_FOR, Template.LIST_CODE: LISTS}
ALIKE = {Template.VERIFY: SIGN_UP, Template.LIST_CODE: LISTS}
# The fifth of an hour is for a browser that has had none.
QUOTAS_HAD_ONE = ((1, MINUTE), (4, HOUR), (10, DAY))
# Beyond these, one mail an hour is kept for the address without a tag, and one for all its tagged ones:
# who floods one of the two keeps nothing from the other.
KEPT = ((1, HOUR),)
# A browser that has had one may have a kept mail so long after it.
HAD_ENOUGH = timedelta(hours=2)
MAX_ELSEWHERE = 3  # other browsers named on a page and in a mail
GOES_AT = func.coalesce(Mail.due_at, Mail.created_at)


class TellSooner(Protocol):
    """Whoever was told that a mail to this address leaves `was` is told that it leaves `is_now`."""

    def __call__(
        self, session: Session, address: str, *, was: datetime, is_now: datetime
    ) -> None: ...


@dataclass(frozen=True)
class Ordered:
    """`leaves_at`: when the mail that serves this leaves or left. `is_new`: that was settled just now."""

    leaves_at: datetime
    is_new: bool


def order(
    session: Session,
    now: datetime,
    *,
    template: Template,
    address: str,
    subject_id: UUID,
    language: str,
    had_at: datetime | None,
    tell_sooner: TellSooner,
    again: bool = False,
) -> Ordered:
    """Order a mail with a code for the first moment it may leave, or go with one that serves as well.

    One that waits for its moment, or left within the minute, carries the code that works in every
    browser. `again`: by who looks for a mail in vain, so one that left is not enough. `had_at`: when the
    last mail for this address leaves or left that this browser was told of. `tell_sooner`: for all who were
    told when a mail leaves that now leaves sooner.
    """
    mails.lock_address(session, address)
    due_at = _first_moment(session, now, address, template, had_at=had_at)
    if session.info.get("limited", True):
        served = _by_another(
            session, now, address, template, due_at=due_at, tell_sooner=tell_sooner, again=again
        )
        if served is not None:
            return served
    mails.order(
        session,
        now,
        template=template,
        address=address,
        language=language,
        subject_id=subject_id,
        due_at=due_at,
    )
    session.flush()
    return Ordered(due_at, is_new=True)


def is_over_daily(session: Session, mail: Mail) -> bool:
    """Whether the mailbox has had its mails of this kind for the day before this one.

    Those to tagged addresses take none from the address without a tag, as for what is kept.
    """
    template = Template(mail.template)
    if template not in DAILY or not session.info.get("limited", True):
        return False
    before = session.scalar(
        select(func.count())
        .select_from(Mail)
        .where(
            Mail.mailbox == mail.mailbox,
            (Mail.address != Mail.mailbox) == mails.is_tagged(mail.address),
            Mail.template == template,
            Mail.id != mail.id,
            Mail.due_at > mail.goes_at - DAY,
            Mail.due_at <= mail.goes_at,
        )
    )
    return (before or 0) >= DAILY[template]


def _by_another(
    session: Session,
    now: datetime,
    address: str,
    template: Template,
    *,
    due_at: datetime,
    tell_sooner: TellSooner,
    again: bool,
) -> Ordered | None:
    """The mail that was ordered before and serves as well, if there is one; brought forward if it waits for later."""
    waits = _next(session, now, address, template)
    if waits is not None and waits.goes_at > due_at:
        tell_sooner(session, address, was=waits.goes_at, is_now=due_at)
        mails.bring_forward(session, waits, due_at)
        session.flush()
        return Ordered(due_at, is_new=True)
    if waits is not None:
        return Ordered(waits.goes_at, is_new=False)
    left = _last(session, now, address, template)
    if left is not None and left.goes_at > now - MINUTE and not again:
        return Ordered(left.goes_at, is_new=False)
    return None


def _first_moment(
    session: Session, now: datetime, address: str, template: Template, *, had_at: datetime | None
) -> datetime:
    quotas = mails.QUOTAS if had_at is None else QUOTAS_HAD_ONE
    at = mails.may_go_at(session, now, address, COUNTED[template], quotas)
    return at if at == now else min(at, _kept(session, now, address, template, had_at=had_at))


def _kept(
    session: Session, now: datetime, address: str, template: Template, *, had_at: datetime | None
) -> datetime:
    """When a mail leaves that is over the quotas.

    Who has the mailbox cannot be told from who invents tags for it, so tagged addresses share theirs and
    wait their turn: one for each would flood the mailbox.
    """
    earliest = now if had_at is None else max(now, had_at + HAD_ENOUGH)
    if mails.is_tagged(address):
        return mails.may_go_at(session, earliest, address, COUNTED[template], KEPT, tagged=True)
    last = _last(session, now, address, template)
    return max(earliest, last.goes_at + HOUR) if last else earliest


def _last(session: Session, now: datetime, address: str, template: Template) -> Mail | None:
    """The mail to exactly this address that left last, or is leaving."""
    return session.scalars(
        _to(address, template).where(now >= GOES_AT).order_by(GOES_AT.desc(), Mail.id).limit(1)
    ).one_or_none()


def _next(session: Session, now: datetime, address: str, template: Template) -> Mail | None:
    """The mail to exactly this address that waits for its moment and has it first."""
    return session.scalars(
        _to(address, template).where(now < GOES_AT).order_by(GOES_AT, Mail.id).limit(1)
    ).one_or_none()


def _to(address: str, template: Template) -> Select[Mail]:
    return select(Mail).where(Mail.address == address, Mail.template.in_(ALIKE[template]))
