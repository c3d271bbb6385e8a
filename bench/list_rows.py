"""Measures the rows of lists that one worker process places at homeservers that cost next to nothing.

The process is this one, as in mail_rates.py. The module of the homeservers is another process, which
says what a real one says. The mails that follow are no part of it: they are invitations, as there.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from statistics import median
from typing import Any

from sqlalchemy import update

from identity.bulk_invites import service as lists
from identity.bulk_invites.models import BulkInvite, BulkInviteRow, Step
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core.outbox import Lane
from identity.core.rows import count as count_rows
from identity.homeservers import credentials
from identity.homeservers.models import Homeserver
from tests.services.told_room_actions import ToldRoom, ToldRoomActions
from workers import tasks

from . import rows
from .mail_rates import FEW, INVITERS, MOST_STATEMENTS, Measured, World, inviter, world
from .rows import Row

ROWS = 200  # of a list
AT_LEAST = 150  # a second
HOMESERVER = "education.example"


class _Rooms(dict[str, ToldRoom]):
    """In each room that is asked about are all inviters, and may invite."""

    def setdefault(self, room_id: str, _default: ToldRoom | None = None) -> ToldRoom:
        everybody = {inviter(number) for number in range(INVITERS)}
        return super().setdefault(room_id, ToldRoom(everybody, everybody))


def measure() -> Iterator[Row]:
    """Run the suite."""
    with ExitStack() as stack:
        there = world(stack, FEW)
        with there.services.database.transaction() as session:
            token = credentials.issue(session, there.services.now(), homeserver=HOMESERVER)
            url = stack.enter_context(_module(token))
            session.execute(update(Homeserver).values(url=url))
        numbers = count()
        taken = [_one_list(there, next(numbers)) for _ in range(rows.rounds + 1)][1:]
    worker, database = (
        median(getattr(each, side) for each in taken) for side in ("worker_ms", "database_ms")
    )
    yield Row(
        "rows of lists of one worker process",
        median(each.a_second for each in taken),
        "/s",
        at_least=AT_LEAST,
        detail=f"processor time of one: worker {worker:.2f} ms, database {database:.2f} ms",
    )
    asked = median(each.statements for each in taken)
    yield Row("rows of lists: statements of one", asked, "", at_most=MOST_STATEMENTS)


def _one_list(there: World, number: int) -> Measured:
    """What a row costs, from when the list is ordered."""
    services, owner = there.services, f"zoe.martin{number}@ac-rouen.example"
    lines = ["Nom;Courriel", *(f"D;p{number}x{each}@asso{each}.example" for each in range(ROWS))]
    now, rules = services.now(), services.rules.current()
    with services.database.transaction() as session:
        made = lists.check(
            session,
            rules,
            now,
            owner=Owner(inviter(number), owner),
            room=RoomSeen(f"!r{number}:{HOMESERVER}"),
            raw="\n".join(lines).encode(),
            file_name="list.csv",
        ).id
    tasks.run_lane(services, Lane.ACCOUNTS)
    with services.database.transaction() as session:
        found = session.get_one(BulkInvite, made)
        lists.confirm(session, rules, now, found, quota=1_000_000)
    tasks.run_lane(services, Lane.ACCOUNTS)

    def place() -> int:
        tasks.run_lane(services, Lane.BULK)
        with services.database.reading() as session:
            ours = (BulkInviteRow.list_id == made, BulkInviteRow.step == Step.WAITING)
            left = count_rows(session, *ours)
        if left:
            raise SystemExit(f"{left} rows of the list were not placed")
        return ROWS

    return there.spent(place)


@contextmanager
def _module(credential: str) -> Iterator[str]:
    """The address of the module of all homeservers, in a process that ends with the block."""
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    process = context.Process(target=_serve, args=(credential, told), daemon=True)
    process.start()
    try:
        yield told.get(timeout=30)
    finally:
        process.kill()
        process.join()


def _serve(credential: str, told: Any) -> None:
    module = ToldRoomActions(credential)
    module.rooms = _Rooms()
    told.put(module.url)
    multiprocessing.Event().wait()
