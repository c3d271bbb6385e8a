"""Checks of `guichet doctor` for the processes of Guichet and its timetable."""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy.orm import Session

from identity.core import nodes
from identity.core.findings import Finding, State
from identity.health.faults import MAX_OFFSET, FaultName, find_faults
from identity.health.heartbeat import measure_offset
from identity.services import Services

# What doctor looks at by itself, in more detail.
ELSEWHERE = {FaultName.OUTBOX, FaultName.RELAY}


def check_processes(services: Services, session: Session) -> Iterator[Finding]:
    """Report what is wrong with the processes, the timetable and the last mails."""
    offset = measure_offset(services, session)
    services.clock_offset.value = offset
    if abs(offset) > MAX_OFFSET:
        told = f"it differs from the database's by {offset.total_seconds():+.1f} s"
        fix = "let both machines keep time by NTP (timedatectl)"
        yield Finding("this clock", State.ATTENTION, told, fix)
    now = services.database_now()
    found = [each for each in find_faults(session, now) if each.name not in ELSEWHERE]
    for fault in found:
        # At home nobody waits for a worker that is not started.
        failed = fault.is_failure and not services.settings.is_embedded
        state = State.FAILED if failed else State.ATTENTION
        yield Finding(fault.name, state, fault.told, fault.fix)
    kinds = Counter(each.kind for each in nodes.find_alive(session, now))
    if kinds and not found:
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        yield Finding("processes", State.OK, told)
