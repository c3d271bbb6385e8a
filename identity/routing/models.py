"""The stored rules: each row says from which revision until which it is in force.

The rules of revision n are the rows with `since_revision <= n < until_revision`. A published
revision is never changed, and a small change adds few rows.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from sys import intern
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Index,
    Row,
    and_,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.core.database import Base
from identity.core.personal_data import RECORD

EMPTY = 0  # the number of the revision before the first


class RuleRevision(Base):
    """One publication of rules. Its number is the key: of two concurrent ones, one fails."""

    __tablename__ = "rule_revisions"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    based_on: Mapped[int]
    published_at: Mapped[datetime]
    author: Mapped[str]
    reason: Mapped[str] = mapped_column(info=RECORD)
    summary: Mapped[str] = mapped_column(info=RECORD)


class StoredRule(Base):
    """A rule and the revisions in which it is in force."""

    __tablename__ = "rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    since_revision: Mapped[int] = mapped_column(index=True)
    until_revision: Mapped[int | None] = mapped_column(index=True)
    kind: Mapped[str]
    pattern: Mapped[str] = mapped_column(info=RECORD)
    account_class: Mapped[str]
    homeserver: Mapped[str | None]
    requires_invite: Mapped[bool]
    protected_homeserver: Mapped[str | None]
    organisation: Mapped[str] = mapped_column(info=RECORD)
    sibling_of: Mapped[str | None]
    moved_from: Mapped[list[str]] = mapped_column(JSON)
    moving_until: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(info=RECORD)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    extra_signs: Mapped[str] = mapped_column(server_default="")


Index(
    "uq_rules_in_force",
    StoredRule.kind,
    StoredRule.pattern,
    unique=True,
    postgresql_where=StoredRule.until_revision.is_(None),
    sqlite_where=StoredRule.until_revision.is_(None),
)

# What begins with a prefix, also where the database's collation is not "C".
Index("ix_rules_pattern_prefix", StoredRule.pattern, postgresql_ops={"pattern": "text_pattern_ops"})

FIELDS = tuple(
    column
    for column in StoredRule.__table__.columns
    if column.key not in {"id", "since_revision", "until_revision"}
)
BATCH = 500  # rows of one statement
FEW = 1_000  # rules that are looked for one by one; for more, all are read
AT_ONCE = 2_000  # rows that are read at once


def newest_revision(session: Session) -> RuleRevision | None:
    """The newest revision; None before the first."""
    return session.scalar(select(RuleRevision).order_by(RuleRevision.number.desc()).limit(1))


def current_number(session: Session) -> int:
    """The number of the newest revision; 0 before the first."""
    return session.scalar(select(func.max(RuleRevision.number))) or EMPTY


def load(session: Session, revision: int) -> list[Rule]:
    """The rules of a revision. Read as plain rows: 30,000 of them take under half a second.

    In parts: a process keeps the memory that it needed once.
    """
    rows = session.execute(
        select(*FIELDS)
        .where(
            StoredRule.since_revision <= revision,
            or_(StoredRule.until_revision.is_(None), StoredRule.until_revision > revision),
        )
        .execution_options(yield_per=AT_ONCE)
    )
    return [_rule(row) for row in rows]


def find_in_force(
    session: Session, keys: Sequence[tuple[RuleKind, str]], *, revision: int | None = None
) -> list[Rule]:
    """Those rules of a revision (default: the newest) that have one of these kinds and patterns."""
    found: list[Rule] = []
    stands: ColumnElement[bool] = StoredRule.until_revision.is_(None)
    if revision is not None:
        stands = and_(
            StoredRule.since_revision <= revision,
            or_(stands, StoredRule.until_revision > revision),
        )
    for start in range(0, len(keys), BATCH // 2):
        some = [(kind.value, pattern) for kind, pattern in keys[start : start + BATCH // 2]]
        named = tuple_(StoredRule.kind, StoredRule.pattern).in_(some)
        rows = session.execute(select(*FIELDS).where(named, stands))
        found += [_rule(row) for row in rows]
    return found


def find(session: Session, keys: Sequence[tuple[RuleKind, str]], *, revision: int) -> list[Rule]:
    """Those rules of a revision that have one of these kinds and patterns: few, or very many."""
    if len(keys) <= FEW:
        return find_in_force(session, keys, revision=revision)
    wanted = frozenset(keys)
    return [rule for rule in load(session, revision) if (rule.kind, rule.pattern) in wanted]


def load_rule_set(session: Session, *, at: datetime, revision: int | None = None) -> RuleSet:
    """The rule set of a revision (default: the newest) at a time, by the rules' validity dates."""
    number = current_number(session) if revision is None else revision
    return RuleSet.compile(load(session, number), revision=number, at=at)


def revisions(session: Session, *, limit: int = 50) -> Sequence[RuleRevision]:
    """The newest revisions, newest first."""
    return session.scalars(
        select(RuleRevision).order_by(RuleRevision.number.desc()).limit(limit)
    ).all()


def write(
    session: Session, revision: RuleRevision, *, removed: Sequence[Rule], added: Iterable[Rule]
) -> None:
    """Write a revision: end the removed rules' rows, insert the added ones.

    Raises IntegrityError if the number is taken.
    """
    session.add(revision)
    session.flush()
    for start in range(0, len(removed), BATCH):
        _end(session, removed[start : start + BATCH], revision.number)
    rows = [_row(rule, revision.number) for rule in added]
    if rows:  # into the table itself: an import has tens of thousands
        session.execute(insert(Base.metadata.tables[StoredRule.__tablename__]), rows)


def digest(session: Session, revision: int) -> str:
    """SHA-256 over the rows that a revision ended and began, in hexadecimal digits."""
    lines = []
    for sign, column in (("-", StoredRule.until_revision), ("+", StoredRule.since_revision)):
        for row in session.execute(select(*FIELDS).where(column == revision)):
            values = [v.isoformat() if isinstance(v, datetime) else v for v in row]
            if not values[-1]:  # extra_signs, which older rules did not have
                del values[-1]
            lines.append(sign + json.dumps(values, ensure_ascii=False))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def rule_of(row: StoredRule) -> Rule:
    """The rule that a row stores, whenever it was in force."""
    return _rule(row)


def _end(session: Session, rules: Sequence[Rule], revision: int) -> None:
    by_kind: dict[str, list[str]] = {}
    for rule in rules:
        by_kind.setdefault(rule.kind.value, []).append(rule.pattern)
    for kind, patterns in by_kind.items():
        session.execute(
            update(StoredRule)
            .where(
                StoredRule.kind == kind,
                StoredRule.pattern.in_(patterns),
                StoredRule.until_revision.is_(None),
            )
            .values(until_revision=revision)
            .execution_options(synchronize_session=False)
        )


def _row(rule: Rule, revision: int) -> dict[str, Any]:
    fields = {column.key: getattr(rule, column.key) for column in FIELDS}
    return {
        **fields,
        "kind": rule.kind.value,
        "account_class": rule.account_class.value,
        "moved_from": list(rule.moved_from),
        "since_revision": revision,
        "until_revision": None,
    }


def _rule(row: Row[Any] | StoredRule) -> Rule:
    return Rule(
        KINDS[row.kind],
        row.pattern,
        CLASSES[row.account_class],
        _once(row.homeserver),
        requires_invite=row.requires_invite,
        protected_homeserver=_once(row.protected_homeserver),
        organisation=intern(row.organisation),
        sibling_of=_once(row.sibling_of),
        moved_from=tuple(row.moved_from),
        moving_until=row.moving_until,
        note=row.note,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        extra_signs=row.extra_signs,
    )


def _once(name: str | None) -> str | None:
    """The same text for all rules that name it: thousands name one homeserver."""
    return None if name is None else intern(name)


KINDS = {kind.value: kind for kind in RuleKind}
CLASSES = {account_class.value: account_class for account_class in AccountClass}
