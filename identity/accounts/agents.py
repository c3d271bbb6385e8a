"""The agents who live on homeservers of both kinds, numbered by their last change: what other homeservers are told."""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import Index, delete, exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

UNTOLD = 0
AT_ONCE = 500  # rows of one statement


class FeedEntry(Base):
    """One user ID. `number` is of the change that made it an agent, or no agent; untold: nobody heard of it."""

    __tablename__ = "agents_feed"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(index=True)
    is_agent: Mapped[bool]
    is_to_be_judged: Mapped[bool]  # its addresses changed since


Index(
    "ix_agents_feed_to_be_judged",
    FeedEntry.is_to_be_judged,
    postgresql_where=FeedEntry.is_to_be_judged.is_(True),
    sqlite_where=FeedEntry.is_to_be_judged.is_(True),
)


def look_again(session: Session, user_id: str) -> None:
    """The addresses of this account changed; its class is made anew before the feed is next read."""
    statement = inserting.insert(session, FeedEntry).values(
        user_id=user_id, number=UNTOLD, is_agent=False, is_to_be_judged=True
    )
    session.execute(
        statement.on_conflict_do_update(index_elements=["user_id"], set_={"is_to_be_judged": True})
    )


def is_any_to_be_judged(session: Session) -> bool:
    return bool(session.scalar(select(exists().where(FeedEntry.is_to_be_judged.is_(True)))))


def to_be_judged(session: Session) -> list[str]:
    """Held until the transaction ends: who proves another address meanwhile is looked at once more."""
    return list(
        session.scalars(
            select(FeedEntry.user_id)
            .where(FeedEntry.is_to_be_judged.is_(True))
            .order_by(FeedEntry.user_id)
            .with_for_update()
        )
    )


def agents(session: Session) -> set[str]:
    """Everybody who is told to be one."""
    return set(session.scalars(select(FeedEntry.user_id).where(FeedEntry.is_agent.is_(True))))


def agents_among(session: Session, user_ids: Collection[str]) -> set[str]:
    """Those of these who are told to be one."""
    are = select(FeedEntry.user_id).where(FeedEntry.is_agent.is_(True))
    return {
        user_id
        for some in _chunks(user_ids)
        for user_id in session.scalars(are.where(FeedEntry.user_id.in_(some)))
    }


def since(session: Session, number: int) -> Sequence[tuple[str, bool]]:
    """Who became an agent, or ceased to be one, after this number; from the beginning: the agents."""
    query = select(FeedEntry.user_id, FeedEntry.is_agent).where(FeedEntry.number > number)
    if number == UNTOLD:
        query = query.where(FeedEntry.is_agent.is_(True))
    return session.execute(query.order_by(FeedEntry.number, FeedEntry.user_id)).all()


def tell(session: Session, user_ids: Collection[str], *, number: int, is_agent: bool) -> None:
    """These have become agents, or ceased to be, with this number."""
    rows = [
        {"user_id": user_id, "number": number, "is_agent": is_agent, "is_to_be_judged": False}
        for user_id in sorted(user_ids)
    ]
    if rows:
        statement = inserting.insert(session, FeedEntry)
        # Not the flag: it may have been set since the addresses were read.
        told = {"number": statement.excluded.number, "is_agent": statement.excluded.is_agent}
        session.execute(
            statement.on_conflict_do_update(index_elements=["user_id"], set_=told), rows
        )


def judged(session: Session, user_ids: Collection[str]) -> None:
    """These, which `to_be_judged` gave, were looked at; who was never told of is no matter here."""
    for some in _chunks(user_ids):
        these = FeedEntry.user_id.in_(some)
        session.execute(
            delete(FeedEntry)
            .where(these, FeedEntry.number == UNTOLD)
            .execution_options(synchronize_session=False)
        )
        session.execute(
            update(FeedEntry)
            .where(these)
            .values(is_to_be_judged=False)
            .execution_options(synchronize_session=False)
        )


def _chunks(user_ids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(user_ids)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
