"""How many invitations wait, for /metrics: counted up to a limit, by index, in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, func, literal, select
from sqlalchemy.orm import Session

from identity.core.database import UtcDateTime
from identity.core.measuring import count_up_to

from .models import OPEN, Delivery, State, ThirdPartyInvitation

LONG = timedelta(minutes=10)  # as /readyz and `doctor` count
UNDELIVERED = (Delivery.DUE, Delivery.SENDING, Delivery.DEAD)


@dataclass(frozen=True)
class Waiting:
    """The invitations in which something may still happen, or failed for good.

    `live`: by their state. `undelivered`: by how far the delivery has come. `held`: whose mail has
    waited long for a homeserver to confirm that the room has them.
    """

    live: Mapping[str, int]
    undelivered: Mapping[str, int]
    held: int


def _statement() -> tuple[Select[Any], tuple[str, ...]]:
    """Counts with the parameters `now` and `long_ago`, and what each of them but the last is of."""
    row, now = ThirdPartyInvitation, bindparam("now", type_=UtcDateTime)
    counts = {
        state.value: count_up_to(row, row.state == state, row.expires_at > now) for state in OPEN
    }
    counts[State.ACCEPTED.value] = count_up_to(row, row.state == State.ACCEPTED)
    counts |= {each.value: count_up_to(row, row.delivery == each) for each in UNDELIVERED}
    # By the index of what is awaited: SQLite would take that of states, and read all live ones.
    is_open = literal("").concat(row.state).in_(OPEN)
    awaits = (row.awaits.is_not(None), row.ended_at.is_(None), is_open)
    asked_at = func.coalesce(row.asked_at, row.created_at)
    held = count_up_to(row, *awaits, asked_at < bindparam("long_ago", type_=UtcDateTime))
    return select(*counts.values(), held), tuple(counts)


STATEMENT, NAMES = _statement()  # composed once: it is long


def measure(session: Session, now: datetime) -> Waiting:
    """Count them; each number stops at `core.measuring.MOST`."""
    *counts, held = session.execute(STATEMENT, {"now": now, "long_ago": now - LONG}).one()
    found = dict(zip(NAMES, counts, strict=True))
    undelivered = {each.value: found.pop(each.value) for each in UNDELIVERED}
    return Waiting(live=found, undelivered=undelivered, held=held)
