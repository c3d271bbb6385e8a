"""Tells operators by mail what concerns them: a lock, a used code, a token that ends, a help by the shell.

What one person does to another's access is told to all admins, so that nobody does it unseen.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.journal import Actor
from identity.core.personal_data import RECORD
from identity.mail import models as mails
from identity.mail.quota import Template

from . import models
from .models import AdminToken, Operator
from .roles import Role

TOKENS_END_SOON: Final = timedelta(days=14)


class What(StrEnum):
    """What a mail to operators tells."""

    LINK = "link"  # to admins: somebody made a sign-in link for an operator
    UNLOCKED = "unlocked"  # to admins: a locked factor may be tried again
    FACTOR_RESET = "factor_reset"  # to admins: an operator enrols anew
    LOCKED = "locked"  # to the operator: five wrong codes
    CODE_USED = "code_used"  # to the operator: a mailed code opened a session
    RECOVERY_USED = "recovery_used"  # to the operator: a recovery code was used
    PASSKEY_ADDED = "passkey_added"  # to the operator: they have a further passkey
    PASSKEY_REMOVED = "passkey_removed"  # to the operator: they have one less
    PASSKEY_BEHIND = "passkey_behind"  # to the operator: somebody may have a copy of one
    STOPPED = "stopped"  # to all operators: somebody stopped something, until a moment
    TOKEN_ENDS = "token_ends"  # noqa: S105  to its maker: an API token ends soon


class OperatorNotice(Base):
    """What one mail, or one to each admin, tells of an operator."""

    __tablename__ = "operator_notices"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    # Whom it is about; null: something was stopped by command or by a program.
    operator_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("operators.id"), index=True)
    what: Mapped[str]
    author: Mapped[str] = mapped_column(info=RECORD)  # who did it
    reason: Mapped[str] = mapped_column(info=RECORD)
    detail: Mapped[str] = mapped_column(info=RECORD)  # a browser, or the name of a token or passkey
    at: Mapped[datetime]
    ends_at: Mapped[datetime | None]  # of the lock, or of the token


def tell_admins(
    session: Session, now: datetime, who: Actor, operator: Operator, what: What
) -> OperatorNotice:
    """Mail all admins, and the operator, what was done to their access."""
    to = {each.id: each for each in models.find_enabled(session, Role.ADMIN)}
    to[operator.id] = operator
    notice = _record(session, now, operator.id, what, author=who.name, reason=who.reason)
    _order(session, now, notice, to.values())
    return notice


def tell_of_stop(
    session: Session,
    now: datetime,
    who: Actor,
    what: str,
    *,
    ends_at: datetime | None,
    operator_id: uuid.UUID | None = None,
) -> None:
    """Mail all other operators that somebody stopped something, so that nobody is surprised by it.

    `what`: as the command line names it; nobody's address or user ID. `operator_id`: who did it in
    the console; None: by command or by a program, and everybody is told.
    """
    notice = _record(
        session,
        now,
        operator_id,
        What.STOPPED,
        author=who.name,
        reason=who.reason,
        detail=what,
        ends_at=ends_at,
    )
    others = (each for each in models.find_all(session) if each.id != operator_id)
    _order(session, now, notice, others)


def tell(
    session: Session,
    now: datetime,
    operator: Operator,
    what: What,
    *,
    detail: str = "",
    ends_at: datetime | None = None,
) -> OperatorNotice:
    """Mail an operator what happened to their own access."""
    notice = _record(session, now, operator.id, what, detail=detail, ends_at=ends_at)
    _order(session, now, notice, [operator])
    return notice


def tell_of_ending_tokens(session: Session, now: datetime) -> int:
    """Mail the makers of tokens that end within 14 days, once for each. Returns how many."""
    ending = session.execute(
        select(AdminToken, Operator)
        .join(Operator, Operator.id == AdminToken.operator_id)
        .where(
            AdminToken.told_at.is_(None),
            AdminToken.ended_at.is_(None),
            AdminToken.ends_at > now,
            AdminToken.ends_at <= now + TOKENS_END_SOON,
        )
        .order_by(AdminToken.ends_at)
    ).all()
    told = 0
    for token, maker in ending:
        own = (AdminToken.id == token.id, AdminToken.told_at.is_(None))
        if rows.update(session, AdminToken, *own, told_at=now):
            tell(session, now, maker, What.TOKEN_ENDS, detail=token.name, ends_at=token.ends_at)
            told += 1
    return told


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete what was told before then. Returns how many."""
    return rows.delete(session, OperatorNotice, OperatorNotice.at < before, limit=limit)


def _record(
    session: Session,
    now: datetime,
    operator_id: uuid.UUID | None,
    what: What,
    *,
    author: str = "",
    reason: str = "",
    detail: str = "",
    ends_at: datetime | None = None,
) -> OperatorNotice:
    notice = OperatorNotice(
        id=uuid.uuid4(),
        operator_id=operator_id,
        what=what,
        author=author,
        reason=reason,
        detail=detail,
        at=now,
        ends_at=ends_at,
    )
    session.add(notice)
    session.flush()
    return notice


def _order(session: Session, now: datetime, notice: OperatorNotice, to: Iterable[Operator]) -> None:
    # In one order, so that two who mail all admins at once do not wait for each other.
    for each in sorted(to, key=lambda operator: mails.mailbox_of(operator.mail or "")):
        if each.mail is not None and each.disabled_at is None:
            mails.lock_address(session, each.mail)
            mails.order(
                session,
                now,
                template=Template.OPERATOR_NOTICE,
                address=each.mail,
                language=each.language,
                subject_id=notice.id,
            )
