"""Stored changes of rules: what is prepared, its lines, its check, and who let it come into force.

A line is an intent, to put a rule or to take one away. What it changes is computed against the
newest revision each time it is checked. No address is stored, only counts.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import RECORD

AT_ONCE = 500  # lines of one statement


class ChangeState(StrEnum):
    """Where a change stands."""

    DRAFT = "draft"
    CHECKING = "checking"  # the worker counts
    CHECKED = "checked"
    PROPOSED = "proposed"  # waits for another person
    APPROVED = "approved"
    SCHEDULED = "scheduled"  # approved, and due later
    APPLYING = "applying"  # the worker counts again and publishes
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"  # another change reversed it
    RETURNED = "returned"  # its approver wants it otherwise; it can be edited again
    STALE = "stale"  # rules of its lines were changed meanwhile
    FAILED = "failed"  # the worker could not check or apply it; `why` says so
    ABANDONED = "abandoned"


EDITABLE = (
    *(ChangeState.DRAFT, ChangeState.CHECKED, ChangeState.RETURNED),
    *(ChangeState.STALE, ChangeState.FAILED),
)
"""In these its lines may be edited; that makes it a draft again."""
ENDED = (ChangeState.APPLIED, ChangeState.ROLLED_BACK, ChangeState.ABANDONED)


class Obstacle(StrEnum):
    """Why the worker stopped at a change, as pages say it in words; empty: a person gave it back."""

    WORSE = "worse"  # more people would be affected than were approved
    CHANGED = "changed"  # others changed rules of its lines
    HOMESERVER = "homeserver"  # a rule leads to one that is not registered
    RULE = "rule"  # a rule contradicts itself
    UNSETTLED = "unsettled"  # what is counted changed all the while
    OTHER = "other"


class Origin(StrEnum):
    """How its lines came about."""

    EDIT = "edit"
    IMPORT = "import"
    ROLL_BACK = "roll_back"
    REQUEST = "request"  # for a domain


class Change(Base):
    """One change of rules. People call it C-`number`."""

    __tablename__ = "changes"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    number: Mapped[int] = mapped_column(unique=True)
    title: Mapped[str] = mapped_column(info=RECORD)
    origin: Mapped[str]
    reverses: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("changes.id"))
    state: Mapped[str]
    version: Mapped[int]  # grows with every edit; a form names the one that it was made from
    author: Mapped[str] = mapped_column(info=RECORD)  # as the journal names them
    author_id: Mapped[uuid.UUID | None]  # the operator; null: by command
    editors: Mapped[list[str]] = mapped_column(JSON, default=list, info=RECORD)  # of its lines
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    base: Mapped[int]  # the revision that its lines were last compared with
    lines: Mapped[int] = mapped_column(default=0)  # how many
    check_began_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    to_check: Mapped[int] = mapped_column(default=0)  # known addresses that it can reach
    done: Mapped[int] = mapped_column(default=0)  # of them, so far
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)  # of the last check, see checking.py
    proposed_at: Mapped[datetime | None]
    proposed_by: Mapped[str | None] = mapped_column(info=RECORD)
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(info=RECORD)
    approved_by_id: Mapped[uuid.UUID | None]
    promised: Mapped[dict[str, Any]] = mapped_column(JSON)  # the counts that were approved
    due_at: Mapped[datetime | None]  # when it is to be applied; null: at once
    applied_at: Mapped[datetime | None]
    applied_by: Mapped[str | None] = mapped_column(info=RECORD)
    applied_by_id: Mapped[uuid.UUID | None]
    revision: Mapped[int | None] = mapped_column(unique=True)  # that it became
    ended_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(info=RECORD)  # why it is made
    why: Mapped[str] = mapped_column(info=RECORD)  # why it was returned, or failed
    why_code: Mapped[str] = mapped_column(default="", server_default="")  # an `Obstacle`, or ""
    broken_glass_at: Mapped[datetime | None]  # applied without approval
    broken_glass_reason: Mapped[str] = mapped_column(info=RECORD)
    review_until: Mapped[datetime | None]
    reviewed_at: Mapped[datetime | None]
    reviewed_by: Mapped[str | None] = mapped_column(info=RECORD)

    @property
    def label(self) -> str:
        """`C-142`."""
        return f"C-{self.number}"


Index("ix_changes_state", Change.state, Change.changed_at)


class Act(StrEnum):
    """What a line does."""

    PUT = "put"
    REMOVE = "remove"


class ChangeLine(Base):
    """One rule to put, or to remove. `kind` and `pattern` name it once in a change."""

    __tablename__ = "change_lines"
    __table_args__ = (UniqueConstraint("change_id", "kind", "pattern"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    change_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("changes.id"))
    place: Mapped[int]
    act: Mapped[str]
    kind: Mapped[str]
    pattern: Mapped[str] = mapped_column(info=RECORD)
    rule: Mapped[dict[str, Any] | None] = mapped_column(JSON, info=RECORD)  # to put
    allows_public: Mapped[bool] = mapped_column(default=False)  # by command only


Index("ix_change_lines_place", ChangeLine.change_id, ChangeLine.place)


class ChangeTouch(Base):
    """What a change touches: the homeserver and organisation of a rule that it begins or ends.

    Both are empty for what takes an operator of the whole federation, as the default rule.
    """

    __tablename__ = "change_touches"

    change_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("changes.id"), primary_key=True)
    homeserver: Mapped[str] = mapped_column(primary_key=True)
    organisation: Mapped[str] = mapped_column(primary_key=True, info=RECORD)


class ChangeEffect(Base):
    """How many addresses of one domain a change affects in one way, as of its last check."""

    __tablename__ = "change_effects"

    change_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("changes.id"), primary_key=True)
    effect: Mapped[str] = mapped_column(primary_key=True)  # a field of `Impact`
    domain: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


def find(session: Session, number: int) -> Change | None:
    """The change C-`number`."""
    return session.scalar(select(Change).where(Change.number == number))


def find_by_id(session: Session, change_id: uuid.UUID) -> Change | None:
    return session.get(Change, change_id)


def find_lines(
    session: Session, change_id: uuid.UUID, *, after: int = 0, limit: int | None = None
) -> Sequence[ChangeLine]:
    """Its lines in order, those behind the place `after`."""
    asked = select(ChangeLine).where(ChangeLine.change_id == change_id, ChangeLine.place > after)
    return session.scalars(asked.order_by(ChangeLine.place).limit(limit)).all()


def find_line(session: Session, change_id: uuid.UUID, key: tuple[str, str]) -> ChangeLine | None:
    """Its line for this kind and pattern."""
    kind, pattern = key
    own = (ChangeLine.change_id == change_id, ChangeLine.kind == kind)
    return session.scalar(select(ChangeLine).where(*own, ChangeLine.pattern == pattern))


def insert_lines(session: Session, lines: Iterable[dict[str, Any]]) -> None:
    """Insert many lines: an import has tens of thousands."""
    made = [{"id": uuid.uuid4(), **line} for line in lines]
    # Into the table itself: mapped rows would take half as long again.
    table = Base.metadata.tables[ChangeLine.__tablename__]
    for start in range(0, len(made), AT_ONCE):
        session.execute(insert(table), made[start : start + AT_ONCE])


def rule_as_json(rule: Rule) -> dict[str, Any]:
    """What a line stores of a rule; kind and pattern stand beside it."""
    return {
        "account_class": rule.account_class.value,
        "homeserver": rule.homeserver,
        "requires_invite": rule.requires_invite,
        "protected_homeserver": rule.protected_homeserver,
        "organisation": rule.organisation,
        "sibling_of": rule.sibling_of,
        "moved_from": list(rule.moved_from),
        "moving_until": _text(rule.moving_until),
        "note": rule.note,
        "valid_from": _text(rule.valid_from),
        "valid_until": _text(rule.valid_until),
        "extra_signs": rule.extra_signs,
    }


def rule_of(line: ChangeLine) -> Rule:
    """The rule that a line puts. Raises InvalidRule."""
    fields: dict[str, Any] = dict(line.rule or {})
    for name in ("moving_until", "valid_from", "valid_until"):
        fields[name] = datetime.fromisoformat(fields[name]) if fields[name] else None
    fields["moved_from"] = tuple(fields["moved_from"])
    account_class, homeserver = AccountClass(fields.pop("account_class")), fields.pop("homeserver")
    return Rule(RuleKind(line.kind), line.pattern, account_class, homeserver, **fields)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def forget_abandoned(session: Session, before: datetime, /, *, limit: int) -> int:
    """Delete changes that were abandoned before this moment, with their lines, at most so many.

    What was in force once stays, like the revisions. Return how many.
    """
    old = (Change.state == ChangeState.ABANDONED, Change.ended_at < before)
    asked = select(Change.id).where(*old).order_by(Change.ended_at).limit(limit)
    found = session.scalars(asked.with_for_update(skip_locked=True)).all()
    for table in (ChangeEffect, ChangeTouch, ChangeLine):
        rows.delete(session, table, table.change_id.in_(found))
    return rows.delete(session, Change, Change.id.in_(found))


def forget_effects(session: Session, before: datetime, /, *, limit: int) -> int:
    """Delete the counts by domain of changes that ended before this moment, at most so many rows."""
    ended = select(Change.id).where(Change.ended_at < before)
    return rows.delete(session, ChangeEffect, ChangeEffect.change_id.in_(ended), limit=limit)
