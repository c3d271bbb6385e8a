"""Answers that were read for many things at once, kept until the transaction ends.

Who asks about one of them in the same transaction gets its answer without a statement. Only under locks that keep the answers true, or where the moment between does not matter.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

T = TypeVar("T")
HELD: Final = "foreseen"  # in `Session.info`


def remember(session: Session, what: str, answers: Mapping[Any, object]) -> None:
    """Keep these answers to the question `what`, by what each is about."""
    session.info.setdefault(HELD, {}).setdefault(what, {}).update(answers)


def recall(session: Session, what: str, about: Hashable, ask: Callable[[], T]) -> T:
    """The answer that was read at once with others, or what `ask` returns."""
    answers: dict[Hashable, T] = session.info.get(HELD, {}).get(what, {})
    return answers[about] if about in answers else ask()


def forget(session: Session, what: str, about: Hashable) -> None:
    """It may have changed in this transaction."""
    session.info.get(HELD, {}).get(what, {}).pop(about, None)


@event.listens_for(Session, "after_transaction_end")
def _forget_all(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None or ended.nested:  # a flush ends one of its own, inside
        session.info.pop(HELD, None)
