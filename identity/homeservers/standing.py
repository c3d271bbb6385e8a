"""Whether a homeserver is held, suspended or retired, and the refusals that follow from it.

Held: nothing is sent there, and jobs wait. Suspended: the same, and neither its credential nor its
people are accepted. Retired: no new accounts are made there.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, load_only

from domain_rules.user_ids import homeserver_in
from identity import problems

from . import models as homeservers
from .models import Homeserver

MOMENTS = (Homeserver.held_at, Homeserver.held_until, Homeserver.suspended_at)
OPEN, HELD, SUSPENDED, RETIRED = "open", "held", "suspended", "retired"


def key_of(name: str) -> str:
    """What holds the jobs of this homeserver, see `leases.hold`."""
    return f"homeserver:{name}"


def is_on_hold(row: Homeserver, now: datetime) -> bool:
    """Whether an operator holds it, apart from any suspension."""
    return row.held_at is not None and (row.held_until is None or now < row.held_until)


def is_reachable(row: Homeserver, now: datetime) -> bool:
    """Whether anything may be sent there."""
    return row.suspended_at is None and not is_on_hold(row, now)


def is_reachable_in_sql(
    now: datetime | ColumnElement[datetime], name: ColumnElement[str]
) -> ColumnElement[bool]:
    """SQL condition: the homeserver of this name is registered and `is_reachable`."""
    is_held = Homeserver.held_at.is_not(None) & (
        Homeserver.held_until.is_(None) | (Homeserver.held_until > now)
    )
    return exists().where(Homeserver.name == name, Homeserver.suspended_at.is_(None), ~is_held)


def find_stopped(session: Session, now: datetime) -> list[tuple[str, str]]:
    """The homeservers to which nothing may be sent: the name, and HELD or SUSPENDED."""
    which = Homeserver.held_at.is_not(None) | Homeserver.suspended_at.is_not(None)
    query = select(Homeserver).where(which).options(load_only(*MOMENTS)).order_by(Homeserver.name)
    return [
        (row.name, HELD if row.suspended_at is None else SUSPENDED)
        for row in session.scalars(query)
        if not is_reachable(row, now)
    ]


def check_reachable(row: Homeserver, now: datetime) -> None:
    """Raises HomeserverHeld, also for a suspended one: its jobs wait."""
    if not is_reachable(row, now):
        until = row.held_until if row.suspended_at is None else None
        raise problems.HomeserverHeld(key_of(row.name), until=until, label=row.label)


def check_not_suspended(row: Homeserver | None) -> None:
    """Raises HomeserverSuspended."""
    if row is not None and row.suspended_at is not None:
        raise suspended(row.name, row.label)


def suspended(name: str, label: str) -> problems.HomeserverSuspended:
    """The refusal of a homeserver that is suspended."""
    return problems.HomeserverSuspended(key_of(name), label=label)


def check_user(session: Session, user_id: str) -> None:
    """Raises HomeserverSuspended for a user of a suspended homeserver."""
    name = homeserver_in(user_id)
    check_not_suspended(homeservers.find(session, name) if name else None)


def find_suspended(session: Session) -> frozenset[str]:
    """The names of the homeservers that are suspended."""
    found = select(Homeserver.name).where(Homeserver.suspended_at.is_not(None))
    return frozenset(session.scalars(found))


def check_takes_accounts(row: Homeserver | None) -> None:
    """Raises HomeserverSuspended or HomeserverRetired if no new accounts are made there."""
    check_not_suspended(row)
    if row is not None and row.retired_at is not None:
        raise problems.HomeserverRetired(row.label)


def state_of(row: Homeserver, now: datetime) -> str:
    """What is true of it, in words separated by commas: `open` if nothing is."""
    said = [
        SUSPENDED if row.suspended_at is not None else "",
        HELD if is_on_hold(row, now) else "",
        RETIRED if row.retired_at is not None else "",
    ]
    return ", ".join(filter(None, said)) or OPEN


def keys_in_force(session: Session, now: datetime) -> Sequence[str]:
    """What holds jobs now: the homeservers that nothing is sent to."""
    return [
        key_of(each.name) for each in homeservers.find_all(session) if not is_reachable(each, now)
    ]
