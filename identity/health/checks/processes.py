"""Checks of `guichet doctor` for the processes of Guichet and its timetable."""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy.orm import Session

from identity.core import nodes
from identity.core.findings import Finding, State, found
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
        seconds = f"{offset.total_seconds():+.1f}"
        yield found("this clock", State.ATTENTION, "own_clock", seconds=seconds)
    now = services.database_now()
    faults = [each for each in find_faults(session, now) if each.name not in ELSEWHERE]
    for fault in faults:
        # At home nobody waits for a worker that is not started.
        failed = fault.is_failure and not services.settings.is_embedded
        state = State.FAILED if failed else State.ATTENTION
        yield found(fault.name, state, fault.code, **fault.values)
    kinds = Counter(each.kind for each in nodes.find_alive(session, now))
    if kinds and not faults:
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        yield found("processes", State.OK, "processes", kinds=shown)
