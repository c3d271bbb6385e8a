"""Mails that carry a one-time code, ordered the same way whether the address is known or not.

A request for a code writes the same rows and wakes the same lane whatever is known about the
address; only the worker looks at accounts, invitations and suppressions. So a caller learns nothing
from the answer or its timing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from identity.core.database import limits_count

from . import models as mails
from .models import Mail, MailState
from .quota import DAILY, QUOTAS, REQUESTED, Template

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

# Templates that are counted together, and of which one serves for another.
ALIKE = {
    Template.VERIFY: REQUESTED,
    Template.LIST_CODE: (Template.LIST_CODE,),
    Template.OPERATOR_CODE: (Template.OPERATOR_CODE,),
    Template.DOMAIN_CODE: (Template.DOMAIN_CODE,),
}
# What a mail of REQUESTED turned out to be is decided when it leaves.
ALIKE_BY = dict.fromkeys(REQUESTED, Template.VERIFY)
# One mail less in an hour than `QUOTAS`: the fifth is left for a browser that has had none.
QUOTAS_AFTER_FIRST = ((1, MINUTE), (4, HOUR), (10, DAY))
# Beyond these, one mail an hour is reserved for the address without a tag, and one for all its
# tagged addresses: flooding one of the two does not block the other.
RESERVED = ((1, HOUR),)
# How long after its last mail a browser may get a reserved one.
RESERVED_PAUSE = timedelta(hours=2)
MAX_ELSEWHERE = 3  # other browsers named on a page and in a mail
GOES_AT = func.coalesce(Mail.due_at, Mail.created_at)


class TellSooner(Protocol):
    """Updates every request that was told its mail is sent at `was`: it is sent at `is_now`."""

    def __call__(
        self, session: Session, address: str, *, was: datetime, is_now: datetime
    ) -> None: ...


class Asking(Protocol):
    """The row of a browser that waits for a code: it says when its mail leaves, and when it ends."""

    id: UUID
    mail_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True)
class OrderedMail:
    """The mail that serves a request.

    `leaves_at`: when it is or was sent. `is_new`: this request settled that time.
    """

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
) -> OrderedMail:
    """Order a mail with a code for the first time it may be sent, or reuse one that serves as well.

    A mail that is waiting, or was sent within the last minute, carries the code that works in every
    browser. `again`: the person is looking for a mail in vain, so one that was sent is not enough.
    `had_at`: when the last mail to this address that this browser was told about is or was sent.
    `tell_sooner`: called if a waiting mail is brought forward.
    """
    mails.lock_address(session, address)
    due_at = _first_moment(session, now, address, template, had_at=had_at)
    if limits_count(session):
        served = _find_serving(
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
    return OrderedMail(due_at, is_new=True)


def order_for(
    session: Session,
    now: datetime,
    asked: Asking,
    *,
    template: Template,
    address: str,
    language: str,
    had_at: datetime | None,
    lifetime: timedelta,
    tell_sooner: TellSooner,
) -> None:
    """Order a mail as `order` does for the browser of this row, which lives on after the mail leaves.

    `lifetime`: from when the mail leaves. The code has its own, shorter time.
    """
    ordered = order(
        session,
        now,
        template=template,
        address=address,
        subject_id=asked.id,
        language=language,
        had_at=had_at,
        tell_sooner=tell_sooner,
    )
    asked.mail_at = ordered.leaves_at
    asked.expires_at = max(asked.expires_at, ordered.leaves_at + lifetime)
    session.flush()


def next_moment(
    session: Session, now: datetime, asked: Asking, *, template: Template, address: str
) -> datetime:
    """From when one more mail would leave at once for the browser of this row; `now` if it would.

    The same whether the address is known or not: mails that the worker drops count, too.
    """
    return _first_moment(session, now, address, template, had_at=asked.mail_at)


def is_over_daily(session: Session, mail: Mail) -> bool:
    """Whether the mailbox had its daily number of mails of this template before this one.

    Mails to tagged addresses and to the address without a tag are counted apart, as for reserved
    mails.
    """
    template = Template(mail.template)
    if template not in DAILY or not limits_count(session):
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


def is_superseded(session: Session, mail: Mail, released_at: datetime) -> bool:
    """Whether a newer mail that was held as well carries the code in place of this one.

    `released_at`: when both were let go. Codes of Matrix clients belong to one session each.
    """
    template = Template(mail.template)
    alike = ALIKE.get(ALIKE_BY.get(template, template), ())
    if template is Template.CLIENT_VERIFY:
        alike = (template,)
    newer = select(Mail.id).where(
        Mail.address == mail.address,
        Mail.template.in_(alike),
        Mail.state == MailState.WAITING,
        Mail.id != mail.id,
        (mail.goes_at < GOES_AT) & (released_at >= GOES_AT),
    )
    if template is Template.CLIENT_VERIFY:
        newer = newer.where(Mail.subject_id == mail.subject_id)
    return session.scalar(newer.limit(1)) is not None


def _find_serving(
    session: Session,
    now: datetime,
    address: str,
    template: Template,
    *,
    due_at: datetime,
    tell_sooner: TellSooner,
    again: bool,
) -> OrderedMail | None:
    """The earlier mail that serves as well, if there is one.

    It is brought forward if it is due later than `due_at`.
    """
    waits = _find_next(session, now, address, template)
    if waits is not None and waits.goes_at > due_at:
        tell_sooner(session, address, was=waits.goes_at, is_now=due_at)
        mails.bring_forward(session, waits, due_at)
        session.flush()
        return OrderedMail(due_at, is_new=True)
    if waits is not None:
        return OrderedMail(waits.goes_at, is_new=False)
    left = _find_last(session, now, address, template)
    if left is not None and left.goes_at > now - MINUTE and not again:
        return OrderedMail(left.goes_at, is_new=False)
    return None


def _first_moment(
    session: Session, now: datetime, address: str, template: Template, *, had_at: datetime | None
) -> datetime:
    """When the next mail may be sent, by the quotas or, if sooner, as a reserved mail."""
    quotas = QUOTAS if had_at is None else QUOTAS_AFTER_FIRST
    at = mails.earliest_by_quotas(session, now, address, ALIKE[template], quotas)
    return (
        at if at == now else min(at, _reserved_at(session, now, address, template, had_at=had_at))
    )


def _reserved_at(
    session: Session, now: datetime, address: str, template: Template, *, had_at: datetime | None
) -> datetime:
    """When a mail beyond the quotas may be sent.

    The owner of a mailbox cannot be told from somebody who invents tags for it. So all tagged
    addresses share one reserved mail an hour: one for each would flood the mailbox.
    """
    earliest = now if had_at is None else max(now, had_at + RESERVED_PAUSE)
    if mails.is_tagged(address):
        return mails.earliest_by_quotas(
            session, earliest, address, ALIKE[template], RESERVED, tagged=True
        )
    last = _find_last(session, now, address, template)
    return max(earliest, last.goes_at + HOUR) if last else earliest


def _find_last(session: Session, now: datetime, address: str, template: Template) -> Mail | None:
    """The mail to exactly this address that was sent last, or is being sent."""
    return session.scalars(
        _to(address, template).where(now >= GOES_AT).order_by(GOES_AT.desc(), Mail.id).limit(1)
    ).one_or_none()


def _find_next(session: Session, now: datetime, address: str, template: Template) -> Mail | None:
    """The mail to exactly this address that is waiting and due first."""
    return session.scalars(
        _to(address, template).where(now < GOES_AT).order_by(GOES_AT, Mail.id).limit(1)
    ).one_or_none()


def _to(address: str, template: Template) -> Select[Mail]:
    return select(Mail).where(Mail.address == address, Mail.template.in_(ALIKE[template]))
