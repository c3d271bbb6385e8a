"""Measures lists of people on PostgreSQL: taken, checked and ordered, and their pages."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Final

from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import event, text

from identity.accounts import sessions, verified_addresses
from identity.accounts.sessions import BULK_INVITES
from identity.app import create_app
from identity.bulk_invites import service as lists
from identity.bulk_invites.models import BulkInvite
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core.outbox import Lane
from identity.migrations import upgrading
from identity.services import WorkerServices, build_worker_services
from identity.settings import Settings
from identity.threepids import associations
from tests.services.keys import KEYS, PUBLIC_HALF, WORKER_KEYS
from tests.worlds.bulk_inviters import HERS, ROOM, ZOE
from tests.worlds.services import begin_federation, sample_rules
from workers import tasks

from .probes import postgresql
from .rows import ROUNDS, Row

FEW, SOME, MANY = 100, 1_000, 10_000
TIMES: Final = 20  # answers of a page in each round
DOUBTFUL: Final = 20  # rows of each list
GROWTH: Final = 1.3

_numbers = count()


@dataclass(frozen=True)
class Cost:
    """What a piece of work took: seconds, seconds of CPU (ours, the database's), statements."""

    seconds: float
    own: float
    database: float
    statements: int

    @property
    def cpu(self) -> float:
        return self.own + self.database


def measure() -> Iterator[Row]:
    """Run the suite."""
    with postgresql() as server, _installation(server.url(server.create_database())) as services:
        yield from _work(services)
        yield from _pages(services)


def _work(services: WorkerServices) -> Iterator[Row]:
    """A short list and a long one in turn, the median of each."""
    found: dict[int, list[tuple[Cost, ...]]] = {SOME: [], MANY: []}
    for _ in range(ROUNDS):
        for size, costs in found.items():
            costs.append(_one_list(services, size))
    median = {
        size: [_median(steps) for steps in zip(*costs, strict=True)]
        for size, costs in found.items()
    }
    names = ("taken", "checked", "confirmed", "ordered")
    yield Row(
        f"a list of {MANY:,}, taken and checked",
        median[MANY][0].seconds + median[MANY][1].seconds,
        "s",
        at_most=10,
        detail="; ".join(
            f"{name}: {each.seconds:.2f} s, CPU {each.own:.2f} and {each.database:.2f} s of the"
            f" database, {each.statements} statements"
            for name, each in zip(names, median[MANY], strict=True)
        ),
    )
    for name, few, many in zip(names, median[SOME], median[MANY], strict=True):
        if name == "confirmed":  # it only orders the rest
            continue
        told = f"{SOME:,}: {few.cpu * 1e6 / SOME:.0f}, {MANY:,}: {many.cpu * 1e6 / MANY:.0f} µs"
        growth = (many.cpu / MANY) / (few.cpu / SOME)
        yield Row(
            f"{name}, CPU a row, {MANY:,} to {SOME:,}", growth, "x", at_most=GROWTH, detail=told
        )


def _one_list(services: WorkerServices, size: int) -> tuple[Cost, ...]:
    made: list[BulkInvite] = []
    owner = Owner(f"@zoe{next(_numbers)}:education.example", HERS)
    return (
        _cost(services, lambda: made.append(_take(services, size, owner))),
        _cost(services, lambda: tasks.run_lane(services, Lane.ACCOUNTS)),
        _cost(services, lambda: _confirm(services, made[0])),
        _cost(services, lambda: tasks.run_lane(services, Lane.ACCOUNTS)),
    )


def _take(services: WorkerServices, size: int, owner: Owner) -> BulkInvite:
    rules, now = services.rules.current(), services.now()
    with services.database.transaction() as session:
        room, raw = RoomSeen(ROOM), _people(size)
        return lists.check(session, rules, now, owner=owner, room=room, raw=raw, file_name="l.csv")


def _confirm(services: WorkerServices, made: BulkInvite) -> None:
    rules, now = services.rules.current(), services.now()
    with services.database.transaction() as session:
        found = session.get_one(BulkInvite, made.id)
        lists.confirm(session, rules, now, found, quota=1_000_000)


def _people(size: int) -> bytes:
    """Names and addresses as they stand in a table: every tenth is an agent."""
    lines = ["Nom;Prénom;Courriel;Service"]
    for number in range(size - 1):
        domain = "ac-rouen.example" if number % 10 == 0 else f"asso{number % 400}.example"
        address = f"camille.durand{number}@{domain}" if number > DOUBTFUL else "camille.durand"
        lines.append(f"DURAND;Camille;{address};Direction")
    return "\n".join(lines).encode()


def _pages(services: WorkerServices) -> Iterator[Row]:
    """The pages of a short list and a long one in turn; both have as many doubtful rows."""
    client = create_app(services).test_client()
    with services.database.transaction() as session:
        token = sessions.open_session(
            session, services.now(), purpose=BULK_INVITES, user_id=ZOE, address=HERS, device=""
        )
    client.set_cookie(f"guichet-{BULK_INVITES}", token)
    made = {size: _take(services, size, Owner(ZOE, HERS)) for size in (FEW, MANY)}
    tasks.run_lane(services, Lane.ACCOUNTS)
    paths = {size: f"/lists/{each.id}" for size, each in made.items()}
    yield _ratio(services, "page of a checked list", client, paths)
    for each in made.values():
        _confirm(services, each)
    tasks.run_lane(services, Lane.ACCOUNTS)
    yield _ratio(services, "page of a list being sent", client, paths)
    paths[MANY] += f"?page={MANY // 100 - 1}"
    yield _ratio(services, "last page of it", client, paths)


def _ratio(services: WorkerServices, name: str, client: FlaskClient, paths: dict[int, str]) -> Row:
    """The CPU of an answer, ours and the database's: what else the machine does is no part of it."""
    taken: dict[int, list[Cost]] = {size: [] for size in paths}
    for _ in range(ROUNDS):
        for size, path in paths.items():
            taken[size].append(_cost(services, partial(_get, client, path)))
    cpu = {size: _median(tuple(found)).cpu / TIMES * 1000 for size, found in taken.items()}
    told = ", ".join(f"{size:,}: {each:.1f} ms" for size, each in cpu.items())
    return Row(
        f"{name}, CPU, {MANY:,} to {FEW:,}", cpu[MANY] / cpu[FEW], "x", at_most=GROWTH, detail=told
    )


def _get(client: FlaskClient, path: str) -> None:
    for _ in range(TIMES):
        answer = client.get(path)
        if answer.status_code != HTTPStatus.OK:
            raise SystemExit(f"{path}: {answer.status_code}")


def _cost(services: WorkerServices, act: Callable[[], object]) -> Cost:
    sent = []

    def note(*_event: object) -> None:
        sent.append(1)

    engine = services.database.engine
    event.listen(engine, "before_cursor_execute", note)
    database, own, began = _database_seconds(services), time.process_time(), time.perf_counter()
    act()
    seconds, spent = time.perf_counter() - began, time.process_time() - own
    event.remove(engine, "before_cursor_execute", note)
    return Cost(seconds, spent, _database_seconds(services) - database, len(sent))


def _database_seconds(services: WorkerServices) -> float:
    """The CPU time of the database's processes that serve us."""
    with services.database.engine.connect() as connection:
        pids = connection.scalars(
            text(
                "select pid from pg_stat_activity where datname = current_database()"
                " and backend_type = 'client backend'"
            )
        ).all()
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def _median(costs: tuple[Cost, ...]) -> Cost:
    return Cost(
        statistics.median(each.seconds for each in costs),
        statistics.median(each.own for each in costs),
        statistics.median(each.database for each in costs),
        round(statistics.median(each.statements for each in costs)),
    )


@contextmanager
def _installation(url: str) -> Iterator[WorkerServices]:
    upgrading.upgrade(url)
    names = ("secret_keys", "storage_keys", "homeserver_public_key", "homeserver_keys")
    keys = {name: (KEYS | WORKER_KEYS)[f"GUICHET_{name.upper()}"] for name in names}
    broker = SecretStr("redis://127.0.0.1:1/0")
    services = build_worker_services(
        Settings(database_url=SecretStr(url), broker_url=broker, **keys)
    )
    try:
        with services.database.transaction() as session:
            begin_federation(session, services.now(), sample_rules(), PUBLIC_HALF.key_id)
            services.hashes.settle(session, services.now())
            associations.bind(session, services.now(), address=HERS, user_id=ZOE)
            verified_addresses.add(session, services.now(), user_id=ZOE, address=HERS)
        yield services
    finally:
        services.database.engine.dispose()
