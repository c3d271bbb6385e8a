"""The table of pauses: kinds of mail and receiving domains to which nothing is sent for a while."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, SQLColumnExpression, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import RECORD

ANY = ""


class MailPause(Base):
    """One pause, of mails that have this kind and go to this domain. Resuming deletes it."""

    __tablename__ = "mail_pauses"

    kind: Mapped[str] = mapped_column(primary_key=True)  # Template, or ANY
    domain: Mapped[str] = mapped_column(primary_key=True)  # A-labels, or ANY
    since: Mapped[datetime]
    until: Mapped[datetime | None]  # None: until it is resumed
    author: Mapped[str]
    reason: Mapped[str] = mapped_column(info=RECORD)


def find_all(session: Session) -> Sequence[MailPause]:
    """All pauses, also those whose time is over, oldest first."""
    return session.scalars(
        select(MailPause).order_by(MailPause.since, MailPause.kind, MailPause.domain)
    ).all()


def find(session: Session, *, kind: str, domain: str) -> MailPause | None:
    """The pause of this kind and domain, also if its time is over."""
    return session.get(MailPause, (kind, domain), populate_existing=True)


def forget(session: Session, now: datetime) -> None:
    """Delete those whose time is over: one that is made again begins anew."""
    rows.delete(session, MailPause, MailPause.until <= now)


def find_covering(session: Session, now: datetime, *, kind: str, domain: str) -> list[MailPause]:
    """The pauses in force for a mail, locked against being resumed until the transaction ends."""
    covers = _covers(kind, domain)
    found = session.scalars(select(MailPause).where(covers).with_for_update(read=True))
    return [each for each in found if each.until is None or each.until > now]


def keeps_back(
    now: datetime | ColumnElement[datetime],
    *,
    kind: SQLColumnExpression[str],
    domain: ColumnElement[str],
) -> ColumnElement[bool]:
    """SQL condition: a pause in force keeps back mails of this kind to this domain."""
    is_in_force = MailPause.until.is_(None) | (MailPause.until > now)
    return exists().where(_covers(kind, domain), is_in_force)


def put(session: Session, pause: Mapping[str, object]) -> None:
    """Store a pause, instead of one of the same kind and domain."""
    statement = inserting.insert_statement(session, MailPause).values(**pause)
    changed = {name: pause[name] for name in ("until", "author", "reason")}
    session.execute(
        statement.on_conflict_do_update(index_elements=["kind", "domain"], set_=changed)
    )


def remove(session: Session, *, kind: str, domain: str) -> bool:
    """Delete a pause. False if there is none."""
    which = (MailPause.kind == kind) & (MailPause.domain == domain)
    return rows.delete(session, MailPause, which) > 0


def _covers(
    kind: str | SQLColumnExpression[str], domain: str | ColumnElement[str]
) -> ColumnElement[bool]:
    return MailPause.kind.in_((ANY, kind)) & MailPause.domain.in_((ANY, domain))
