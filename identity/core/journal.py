"""The journal of changes: who changed what, when and why. Rows are only added, in a hash chain.

Each row carries the hash of the row before, so the chain shows if a row was changed, removed or
inserted. It cannot show that rows at its end were removed: for that, note the hash of the last row
(the head) from time to time and give it to `verify`.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Index, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import journal_places, tracing
from .database import Base
from .journal_places import Place
from .personal_data import RECORD, mask_names

BEFORE_THE_FIRST = "0" * 64
LOCK = 0x6775_6963_6865_7401  # advisory lock of PostgreSQL: one writer at a time appends
CHUNK = 1000  # rows read at once


BY_COMMAND: Final = "command line on "
"""So begins the origin of what was done by the shell."""


class JournalEntry(Base):
    """One change. `facts`: canonical JSON with the values before and after that may be stored."""

    __tablename__ = "journal"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    origin: Mapped[str]  # host name or network address
    action: Mapped[str] = mapped_column(index=True)  # noun.verb, for example rules.publish
    subject: Mapped[str] = mapped_column(info=RECORD)
    facts: Mapped[str] = mapped_column(info=RECORD)
    reason: Mapped[str] = mapped_column(info=RECORD)
    request_id: Mapped[str | None]
    previous_hash: Mapped[str]
    hash: Mapped[str]


Index("ix_journal_subject", JournalEntry.subject, JournalEntry.at)
Index("ix_journal_request_id", JournalEntry.request_id)
Index("ix_journal_at", JournalEntry.at, JournalEntry.number)
Index("ix_journal_actor", JournalEntry.actor, JournalEntry.number)


@dataclass(frozen=True)
class Actor:
    """The person or homeserver that makes a change. `request_id` is the one in the logs.

    Wherever a reason is stored, it outlives the people whom it names: addresses and user IDs in it
    are masked.
    """

    name: str
    origin: str
    reason: str = ""
    request_id: str | None = None

    def __post_init__(self) -> None:
        """Mask the reason before anybody stores it."""
        object.__setattr__(self, "reason", mask_names(self.reason))


@dataclass(frozen=True)
class Fault:
    """The first row that does not fit into the chain, and why."""

    number: int
    what: str


@dataclass(frozen=True)
class Verified:
    """The result of `verify`: the number of good rows, the head, and the first fault if any."""

    rows: int
    head: str
    fault: Fault | None = None


def write(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    action: str,
    subject: str,
    facts: Mapping[str, Any],
    places: Collection[Place] = (),
) -> JournalEntry:
    """Add a row, in the same transaction as the change it describes.

    `places`: whose it is, for operators with a scope; without any, it is for the whole federation.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    last = next(iter(find_recent(session, limit=1)), None)
    entry = JournalEntry(
        number=last.number + 1 if last else 1,
        at=now,
        actor=who.name,
        origin=who.origin,
        action=action,
        subject=subject,
        facts=json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        reason=who.reason,
        request_id=who.request_id or tracing.request_id(),
        previous_hash=last.hash if last else BEFORE_THE_FIRST,
        hash="",
    )
    entry.hash = hash_of(entry)
    session.add(entry)
    session.flush()
    if places:
        journal_places.record(session, entry.number, places)
    return entry


def find_recent(
    session: Session,
    *,
    limit: int = 50,
    action: str | None = None,
    subjects: Collection[str] | None = None,
) -> list[JournalEntry]:
    """The newest rows first, of one action (`rules.publish`) or of all about a noun (`rules`).

    `subjects`: only rows about one of these.
    """
    query = select(JournalEntry).order_by(JournalEntry.number.desc()).limit(limit)
    if subjects is not None:
        query = query.where(JournalEntry.subject.in_(subjects))
    if action is not None:
        query = query.where(
            (JournalEntry.action == action)
            | JournalEntry.action.startswith(f"{action}.", autoescape=True)
        )
    return list(session.scalars(query))


def find_by_action(session: Session, action: str) -> Iterator[JournalEntry]:
    """All rows of one action, oldest first."""
    return (entry for entry in _in_order(session) if entry.action == action)


def find_by_subject(session: Session, subjects: Collection[str]) -> list[JournalEntry]:
    """All rows about one of these, oldest first."""
    query = select(JournalEntry).where(JournalEntry.subject.in_(subjects))
    return list(session.scalars(query.order_by(JournalEntry.number)))


def is_in_chain(session: Session, number: int, row_hash: str) -> bool:
    """Whether the row of this number is there, and has this hash."""
    entry = session.get(JournalEntry, number)
    return entry is not None and entry.hash == row_hash


def verify(session: Session, *, noted_head: str | None = None) -> Verified:
    """Check the whole chain. `noted_head`: a hash noted earlier, which must still be in it."""
    previous, expected, noted = BEFORE_THE_FIRST, 1, noted_head is None
    for entry in _in_order(session):
        fault = _fault(entry, expected, previous)
        if fault:
            return Verified(expected - 1, previous, Fault(entry.number, fault))
        previous, expected = entry.hash, expected + 1
        noted = noted or entry.hash == noted_head
    if not noted:
        cut = Fault(expected, "the head that was noted is not in the chain: its end was cut off")
        return Verified(expected - 1, previous, cut)
    return Verified(expected - 1, previous)


def hash_of(entry: JournalEntry) -> str:
    """SHA-256 of all columns but the hash itself, as canonical JSON in UTF-8."""
    covered = [
        entry.number,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        *(entry.actor, entry.origin, entry.action, entry.subject, entry.facts, entry.reason),
        *(entry.request_id, entry.previous_hash),
    ]
    line = json.dumps(covered, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()


def _fault(entry: JournalEntry, expected: int, previous: str) -> str | None:
    if entry.number != expected:
        return f"rows {expected} to {entry.number - 1} are missing"
    if entry.previous_hash != previous:
        return "it does not follow the row before"
    if entry.hash != hash_of(entry):
        return "it was changed"
    return None


def _in_order(session: Session) -> Iterator[JournalEntry]:
    """All rows, oldest first, read in chunks so that no cursor stays open."""
    query = select(JournalEntry).order_by(JournalEntry.number).limit(CHUNK)
    after = 0
    while chunk := list(session.scalars(query.where(JournalEntry.number > after))):
        yield from chunk
        after = chunk[-1].number
