"""PostgreSQL's advisory locks by name, held until the transaction ends.

On SQLite a writing transaction is alone anyway.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, String, cast, event, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, SessionTransaction

HELD: Final = "advisory_locks"  # in `Session.info`


def take(session: Session, names: Iterable[str]) -> None:
    """Wait for these locks in this order, in one statement; those that are held are not asked for.

    Whoever takes several gives them in the same order as all others do.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    held: set[str] = session.info.setdefault(HELD, set())
    missing = [name for name in dict.fromkeys(names) if name not in held]
    if missing:
        name = func.unnest(literal(missing, ARRAY(String))).column_valued("name")
        key = cast(func.hashtext(name), BigInteger)
        session.execute(select(func.pg_advisory_xact_lock(key)))
        held.update(missing)


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, _ended: SessionTransaction) -> None:
    """They end with their transaction, and those of a savepoint may have ended with it."""
    session.info.pop(HELD, None)
