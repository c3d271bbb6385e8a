"""Checks of `guichet doctor` for what operators have stopped and may have forgotten."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import waiting_jobs
from identity.core.findings import Finding, State, found
from identity.freezes import models as freezes
from identity.homeservers import standing as homeserver_standing
from identity.homeservers.models import Homeserver
from identity.homeservers.service import rules_naming
from identity.invitations import block_models as inviter_blocks


def check_stopped(session: Session, now: datetime) -> Iterator[Finding]:
    """Report freezes in force, blocked inviters, and jobs that wait for the end of either."""
    for each in freezes.find_in_force(session, now).each:
        name = f"{each.what} {each.domain}".rstrip()
        since, state = _time(each.since), State.ATTENTION
        if each.until is None:
            yield found("freezes", state, "frozen", name=name, since=since)
        else:
            until = _time(each.until)
            yield found("freezes", state, "frozen_until", name=name, since=since, until=until)
    if blocked := inviter_blocks.find_in_force(session, now):
        yield found("inviters", State.ATTENTION, "inviters_blocked", n=len(blocked))
    if held := waiting_jobs.count_held(session):
        yield found("outbox", State.ATTENTION, "jobs_held", n=sum(held.values()))


def check_standing(session: Session, now: datetime, row: Homeserver) -> Iterator[Finding]:
    """Report that a homeserver is held, suspended, or retired while rules still lead there."""
    if homeserver_standing.is_on_hold(row, now):
        if row.held_until is None:
            yield found(row.name, State.ATTENTION, "standing_held", name=row.name)
        else:
            until = _time(row.held_until)
            yield found(
                row.name, State.ATTENTION, "standing_held_until", name=row.name, until=until
            )
    if row.suspended_at is not None:
        yield found(row.name, State.ATTENTION, "standing_suspended", name=row.name)
    patterns = rules_naming(session, row.name) if row.retired_at else []
    if patterns:
        yield found(row.name, State.ATTENTION, "standing_retired", n=len(patterns))


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
