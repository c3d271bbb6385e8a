"""Checks of `guichet doctor` for what operators have stopped and may have forgotten."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.findings import Finding, State
from identity.freezes import models as freezes
from identity.homeservers import standing as homeserver_standing
from identity.homeservers.models import Homeserver
from identity.homeservers.service import rules_naming
from identity.invitations import block_models as inviter_blocks


def check_stopped(session: Session, now: datetime) -> Iterator[Finding]:
    """Report freezes in force, blocked inviters, and jobs that wait for the end of either."""
    for each in freezes.find_in_force(session, now).each:
        name = f"{each.what} {each.domain}".rstrip()
        told = f"{name} frozen since {each.since:%Y-%m-%d %H:%M}Z{_ends(each.until)}"
        yield Finding("freezes", State.ATTENTION, told, f"guichet thaw {name}")
    if blocked := inviter_blocks.find_in_force(session, now):
        told = f"blocked inviters: {len(blocked)}"
        yield Finding("inviters", State.ATTENTION, told, "guichet inviter list")
    if held := outbox.count_held(session):
        told = f"jobs held by freezes, holds and blocks: {sum(held.values())}"
        yield Finding("outbox", State.ATTENTION, told, "they go on by themselves when these end")


def check_standing(session: Session, now: datetime, row: Homeserver) -> Iterator[Finding]:
    """Report that a homeserver is held, suspended, or retired while rules still lead there."""
    if homeserver_standing.is_on_hold(row, now):
        told = f"held{_ends(row.held_until)}: nothing is sent there"
        yield Finding(row.name, State.ATTENTION, told, f"guichet homeserver release {row.name}")
    if row.suspended_at is not None:
        told = "suspended: it and its people are refused, and nothing is sent there"
        yield Finding(row.name, State.ATTENTION, told, f"guichet homeserver resume {row.name}")
    patterns = rules_naming(session, row.name) if row.retired_at else []
    if patterns:
        told = f"retired; addresses of rules that lead there cannot sign up: {len(patterns)} rules"
        fix = "lead them elsewhere: guichet domain add; or guichet homeserver reinstate"
        yield Finding(row.name, State.ATTENTION, told, fix)


def _ends(until: datetime | None) -> str:
    return f" until {until:%Y-%m-%d %H:%M}Z" if until else ""
