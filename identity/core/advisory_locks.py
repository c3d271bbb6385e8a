"""PostgreSQL's advisory locks by name, held until the transaction ends.

On SQLite a writing transaction is alone anyway.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    TableValuedColumn,
    cast,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, SessionTransaction

HELD: Final = "advisory_locks"  # in `Session.info`


def take(session: Session, names: Iterable[str]) -> None:
    """Wait for these locks in this order, in one statement; those that are held are not asked for.

    Whoever takes several gives them in the same order as all others do.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    held = _held(session)
    missing = [name for name in dict.fromkeys(names) if name not in held]
    if missing:
        name = _each_of(missing)
        session.execute(select(func.pg_advisory_xact_lock(_key_of(name))))
        held.update(missing)


def take_free(session: Session, names: Iterable[str]) -> set[str]:
    """Take those of these locks that nobody else holds, and wait for none. Returns their names."""
    asked = list(dict.fromkeys(names))
    if session.get_bind().dialect.name != "postgresql":
        return set(asked)
    name = _each_of(asked)
    free = select(name).where(func.pg_try_advisory_xact_lock(_key_of(name)))
    taken = set(session.scalars(free))
    _held(session).update(taken)
    return taken


def _held(session: Session) -> set[str]:
    held: set[str] = session.info.setdefault(HELD, set())
    return held


def _each_of(names: list[str]) -> TableValuedColumn[str]:
    return func.unnest(literal(names, ARRAY(String))).column_valued("name")


def _key_of(name: ColumnElement[str]) -> ColumnElement[int]:
    return cast(func.hashtext(name), BigInteger)


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, ended: SessionTransaction) -> None:
    """They end with their transaction, and those of a savepoint may have ended with it.

    A flush is a transaction inside, which ends none.
    """
    if ended.parent is None or ended.nested:
        session.info.pop(HELD, None)
