"""The feed of agents on mixed homeservers, which our modules in other homeservers read.

A mixed homeserver (`class_source` "by_person") has both agents and guests. Every change of who is
an agent has a number, so that a module asks only for what changed since the number it has.
"""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting, rows
from identity.core.database import Base
from identity.core.personal_data import USER_ID

UNPUBLISHED = 0  # the number of a row that was in no answer yet
AT_ONCE = 500  # rows of one statement


class FeedEntry(Base):
    """One user ID. `number`: of the change that made it an agent or not; else UNPUBLISHED."""

    __tablename__ = "agents_feed"

    user_id: Mapped[str] = mapped_column(primary_key=True, info=USER_ID)
    number: Mapped[int] = mapped_column(index=True)
    is_agent: Mapped[bool]
    is_to_be_judged: Mapped[bool]  # its addresses changed since


Index(
    "ix_agents_feed_to_be_judged",
    FeedEntry.is_to_be_judged,
    postgresql_where=FeedEntry.is_to_be_judged.is_(True),
    sqlite_where=FeedEntry.is_to_be_judged.is_(True),
)


def mark_for_classification(session: Session, user_id: str) -> None:
    """Mark an account whose addresses changed: it is classified before the feed is next read."""
    statement = inserting.insert_statement(session, FeedEntry).values(
        user_id=user_id, number=UNPUBLISHED, is_agent=False, is_to_be_judged=True
    )
    session.execute(
        statement.on_conflict_do_update(index_elements=["user_id"], set_={"is_to_be_judged": True})
    )


def is_any_to_be_classified(session: Session) -> bool:
    return rows.is_any(session, FeedEntry.is_to_be_judged.is_(True))


def lock_to_be_classified(session: Session) -> Sequence[str]:
    """The user IDs to classify, locked: one that gets another address meanwhile is marked again."""
    return session.scalars(
        select(FeedEntry.user_id)
        .where(FeedEntry.is_to_be_judged.is_(True))
        .order_by(FeedEntry.user_id)
        .with_for_update()
    ).all()


def published_agents(session: Session) -> set[str]:
    """The user IDs of all agents in the feed."""
    return set(session.scalars(select(FeedEntry.user_id).where(FeedEntry.is_agent.is_(True))))


def published_agents_among(session: Session, user_ids: Collection[str]) -> set[str]:
    """The agents in the feed among these user IDs."""
    agents = select(FeedEntry.user_id).where(FeedEntry.is_agent.is_(True))
    return {
        user_id
        for some in _chunks(user_ids)
        for user_id in session.scalars(agents.where(FeedEntry.user_id.in_(some)))
    }


def changes_since(session: Session, number: int) -> Sequence[tuple[str, bool]]:
    """User ID and whether it is an agent, of the changes after `number`; from 0: all agents."""
    query = select(FeedEntry.user_id, FeedEntry.is_agent).where(FeedEntry.number > number)
    if number == UNPUBLISHED:
        query = query.where(FeedEntry.is_agent.is_(True))
    return session.execute(query.order_by(FeedEntry.number, FeedEntry.user_id)).all()


def publish(session: Session, user_ids: Collection[str], *, number: int, is_agent: bool) -> None:
    """Record under this number that these users have become agents, or are none any more."""
    entries = [
        {"user_id": user_id, "number": number, "is_agent": is_agent, "is_to_be_judged": False}
        for user_id in sorted(user_ids)
    ]
    if entries:
        statement = inserting.insert_statement(session, FeedEntry)
        # Not the mark: it may have been set since the addresses were read.
        changed = {"number": statement.excluded.number, "is_agent": statement.excluded.is_agent}
        session.execute(
            statement.on_conflict_do_update(index_elements=["user_id"], set_=changed), entries
        )


def mark_classified(session: Session, user_ids: Collection[str]) -> None:
    """Remove the marks from these users; rows that were never published are deleted."""
    for some in _chunks(user_ids):
        these = FeedEntry.user_id.in_(some)
        rows.delete(session, FeedEntry, these, FeedEntry.number == UNPUBLISHED)
        rows.update(session, FeedEntry, these, is_to_be_judged=False)


def _chunks(user_ids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(user_ids)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
