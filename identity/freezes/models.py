"""The table of freezes in force, and the value that says what is frozen now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, exists, literal, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import RECORD


class Frozen(StrEnum):
    """What can be frozen."""

    SIGN_UPS = "sign-ups"
    INVITATIONS = "invitations"
    MAILS = "mails"
    DOMAIN = "domain"  # sign-ups and invitations of its addresses, and mails to them
    CONSOLE = "console"  # to all operators but admins, and to their programs


class Freeze(Base):
    """One freeze. Thawing deletes it; the journal keeps what was done."""

    __tablename__ = "freezes"

    what: Mapped[str] = mapped_column(primary_key=True)  # Frozen
    domain: Mapped[str] = mapped_column(primary_key=True)  # A-labels; "" if it is no domain
    since: Mapped[datetime]
    until: Mapped[datetime | None]  # null: until it is thawed
    author: Mapped[str]
    reason: Mapped[str] = mapped_column(info=RECORD)

    @property
    def key(self) -> str:
        """What holds its jobs, see `leases.hold`."""
        return f"{self.what}:{self.domain}" if self.domain else self.what


@dataclass(frozen=True)
class Freezes:
    """What is frozen at one moment."""

    each: tuple[Freeze, ...] = ()

    def at(self, now: datetime) -> "Freezes":
        """Those that have not ended by then."""
        return Freezes(tuple(freeze for freeze in self.each if not is_over(freeze, now)))

    def of(self, what: Frozen) -> Freeze | None:
        """The freeze of sign-ups, invitations, mails or the console, if they are frozen."""
        return next((freeze for freeze in self.each if freeze.what == what), None)

    def of_domain(self, domain: str) -> Freeze | None:
        """The freeze of this domain (in A-labels), else of the nearest one above it."""
        found = (freeze for freeze in self.each if _covers(freeze, domain))
        return max(found, key=lambda freeze: len(freeze.domain), default=None)

    def of_mail(self, domain: str) -> Freeze | None:
        """The freeze that holds mails to addresses of this domain."""
        return self.of(Frozen.MAILS) or self.of_domain(domain)


def find_locked(session: Session, what: Frozen, domain: str = "") -> Freeze | None:
    """The stored freeze, also if its time is over; nobody else changes it in this transaction's time."""
    return session.get(Freeze, (what, domain), populate_existing=True, with_for_update=True)


def find_or_begin(
    session: Session, now: datetime, what: Frozen, domain: str
) -> tuple[Freeze, bool]:
    """The stored freeze, locked, and whether it was made just now: without end, author and reason.

    Of two who freeze at once the second waits, and finds what the first one made.
    """
    blank = {"what": str(what), "domain": domain, "since": now, "author": "", "reason": ""}
    while True:
        is_new = inserting.insert_if_new(session, Freeze, blank)
        found = find_locked(session, what, domain)
        if found is not None:  # else it was thawed between the two statements
            return found, is_new


def find_in_force(session: Session, now: datetime) -> Freezes:
    """What is frozen now, sorted by what and domain."""
    query = select(Freeze).where(is_in_force(now)).order_by(Freeze.what, Freeze.domain)
    return Freezes(tuple(session.scalars(query)))


def holds_mail(
    now: datetime | ColumnElement[datetime],
    domain: ColumnElement[str],
    *,
    invites: ColumnElement[bool],
) -> ColumnElement[bool]:
    """SQL condition: a freeze in force holds mails to this domain, as `Freezes.of_mail` decides.

    `invites`: they are about invitations, which may be frozen apart.
    """
    of_invitations = (Freeze.what == Frozen.INVITATIONS) & invites
    held = (Freeze.what == Frozen.MAILS) | of_invitations | _covers_in_sql(domain)
    return exists().where(is_in_force(now), held)


def holds_invitation(
    now: datetime | ColumnElement[datetime], domain: ColumnElement[str]
) -> ColumnElement[bool]:
    """SQL condition: a freeze in force holds invitations of addresses of this domain."""
    held = (Freeze.what == Frozen.INVITATIONS) | _covers_in_sql(domain)
    return exists().where(is_in_force(now), held)


def forget(session: Session, now: datetime, *, limit: int | None = None) -> int:
    """Delete those whose time is over, at most so many. Returns how many."""
    return rows.delete(session, Freeze, Freeze.until <= now, limit=limit)


def keys_of(freezes: Iterable[Freeze]) -> set[str]:
    """What holds the jobs of these freezes."""
    return {freeze.key for freeze in freezes}


def is_in_force(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """SQL condition: it has not ended."""
    return or_(Freeze.until.is_(None), Freeze.until > now)


def is_over(freeze: Freeze, now: datetime) -> bool:
    """Whether it has ended by itself."""
    return freeze.until is not None and freeze.until <= now


def _covers_in_sql(domain: ColumnElement[str]) -> ColumnElement[bool]:
    is_below = domain.endswith(literal(".") + Freeze.domain)
    return (Freeze.what == Frozen.DOMAIN) & ((domain == Freeze.domain) | is_below)


def _covers(freeze: Freeze, domain: str) -> bool:
    if freeze.what != Frozen.DOMAIN:
        return False
    return domain == freeze.domain or domain.endswith(f".{freeze.domain}")
