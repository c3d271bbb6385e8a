"""PostgreSQL's advisory locks by name, held until the transaction ends.

On SQLite a writing transaction is alone anyway.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import BigInteger, String, bindparam, cast, event, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, SessionTransaction

HELD: Final = "advisory_locks"  # in `Session.info`

# Written once: they are carried out more often than any other statement.
_name = func.unnest(bindparam("names", type_=ARRAY(String))).column_valued("name")
_key = cast(func.hashtext(_name), BigInteger)
WAIT = select(func.pg_advisory_xact_lock(_key))
TRY = select(_name).where(func.pg_try_advisory_xact_lock(_key))


def take(session: Session, names: Iterable[str]) -> None:
    """Wait for these locks in this order, in one statement; those that are held are not asked for.

    Whoever takes several gives them in the same order as all others do.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    held = _held(session)
    missing = [name for name in dict.fromkeys(names) if name not in held]
    if missing:
        session.execute(WAIT, {"names": missing})
        held.update(missing)


def take_free(session: Session, names: Iterable[str]) -> set[str]:
    """Take those of these locks that nobody else holds, and wait for none. Returns their names."""
    asked = list(dict.fromkeys(names))
    if session.get_bind().dialect.name != "postgresql":
        return set(asked)
    taken = set(session.scalars(TRY, {"names": asked}))
    _held(session).update(taken)
    return taken


def _held(session: Session) -> set[str]:
    held: set[str] = session.info.setdefault(HELD, set())
    return held


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, ended: SessionTransaction) -> None:
    """They end with their transaction, and those of a savepoint may have ended with it.

    A flush is a transaction inside, which ends none.
    """
    if ended.parent is None or ended.nested:
        session.info.pop(HELD, None)
