"""The queries of lookup: user IDs by hash or by address, and hashing the associations."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from identity.core.database import UtcDateTime
from identity.core.lists import is_among

from . import peppers
from .associations import Association
from .peppers import LookupHash, Pepper

Key = tuple[str, str]
"""Medium and address of the last association hashed."""


def _in_force(query: Select[str, str]) -> Select[str, str]:
    """Select from the pepper's row, so that a valid pepper yields a row even if nobody is found."""
    return query.select_from(Pepper).where(
        Pepper.pepper == bindparam("pepper"),
        Pepper.in_force_at.is_not(None),
        or_(Pepper.ends_at.is_(None), Pepper.ends_at > bindparam("now", type_=UtcDateTime())),
    )


# One statement for any number of them: see core/lists.py.
BY_HASH = (
    _in_force(select(LookupHash.hash, Association.user_id))
    .outerjoin(
        LookupHash,
        and_(LookupHash.pepper_number == Pepper.number, is_among(LookupHash.hash, "hashes")),
    )
    .outerjoin(
        Association,
        and_(Association.medium == LookupHash.medium, Association.address == LookupHash.address),
    )
)
BY_ADDRESS = _in_force(select(Association.address, Association.user_id)).outerjoin(
    Association,
    and_(Association.medium == "email", is_among(Association.address, "addresses")),
)


def find_by_hash(
    asked: Connection | Session, now: datetime, *, pepper: str, hashes: Collection[str]
) -> dict[str, str] | None:
    """Hash → user ID, of the associated ones. None if this pepper is not in use."""
    given = {"now": now, "pepper": pepper, "hashes": hashes}
    return _found(asked.execute(BY_HASH, given).all())


def find_by_address(
    asked: Connection | Session, now: datetime, *, pepper: str, addresses: Collection[str]
) -> dict[str, str] | None:
    """Email address → user ID, of the associated ones. None if this pepper is not in use."""
    given = {"now": now, "pepper": pepper, "addresses": addresses}
    return _found(asked.execute(BY_ADDRESS, given).all())


def hash_next(session: Session, pepper: Pepper, *, after: Key, most: int) -> Key | None:
    """Hash the next `most` associations with this pepper. The last key; None at the end."""
    rows = session.execute(
        select(Association.medium, Association.address)
        .where(
            or_(
                Association.medium > after[0],
                and_(Association.medium == after[0], Association.address > after[1]),
            )
        )
        .order_by(Association.medium, Association.address)
        .limit(most)
        # An unbind of one of these waits meanwhile: else its hash would have no association.
        .with_for_update(read=True, key_share=True)
    ).all()
    for medium in {row.medium for row in rows}:
        addresses = [row.address for row in rows if row.medium == medium]
        peppers.add_hashes(session, medium, addresses, [pepper])
    return (rows[-1].medium, rows[-1].address) if len(rows) == most else None


def count_associations(session: Session) -> int:
    """How many associations there are."""
    return session.scalar(select(func.count()).select_from(Association)) or 0


def _found(rows: Sequence[Row[str, str]]) -> dict[str, str] | None:
    if not rows:
        return None
    return {key: user_id for key, user_id in rows if user_id is not None}
