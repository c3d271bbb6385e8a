"""Keeps the plan of every statement of a hot request at 1,000,000 associations, in bench/plans.txt.

PostgreSQL itself explains what it is asked (auto_explain), so the plans are those of the statements
that requests and workers really send, with their parameters and the rows they met. Besides, 100,000
mails left yesterday, as many wait, and what else they read has 100,000 rows each.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from identity.core.clock import utc_now
from identity.core.outbox import Lane
from identity.invitations import room_agreement
from identity.invitations.models import ThirdPartyInvitation
from identity.services import WorkerServices, build_worker_services
from identity.settings import Settings
from tests.services.keys import WORKER_KEYS
from tests.worlds.many_rows import fill
from workers import tasks

from . import rows
from .filling import MAILS_EVERY
from .http import INFO, LATE
from .installation import MANY, Installation, installation, token_of
from .load import Load, Request, Target, write
from .lookups import asked_of
from .orders import code_for, invitation_by
from .rows import ROUNDS, Row
from .smtp_sink import Sink, running_sink

KEPT = Path(__file__).with_name("plans.txt")
WARM = 6  # requests before the one that counts: psycopg prepares a statement that comes again
SCANNED = 1_000  # rows that a statement may read one after the other
SCAN = "  !!! reads all of {}"
MOST = {"requestToken": 6, "store-invite": 6}
CODES, INVITATIONS = "t%@open.example", "i%@open.example"  # see orders.py
# Of what a worker reads; others have as many by filling.py.
READ = ("accounts", "third_party_invitations", "verification_requests")
MORE = (
    """insert into validation_sessions (id, address, secret_hash, sealed_secret, user_id, device,
    language, send_attempt, created_at, asked_at) select gen_random_uuid(), 'v' || n || '@open.example',
    '', '', '@p' || n || '\\:agents.example', '', 'en', 1, now(), now()
    from generate_series(1, :rows) as n""",
    """insert into one_time_codes (id, purpose, subject, generation, digits, alive_until, wrong,
    wrong_held) select gen_random_uuid(), 'validation', gen_random_uuid()::text, 1, 6, now(), 0, 0
    from generate_series(1, :rows) as n""",
)
OVERDUE = """
update outbox set due_at = now() - interval '1 day'
where subject_id in (select id from mails where address like :like) and done_at is null
"""
Explained = tuple[str, dict[str, Any]]
"""A statement and its plan, as PostgreSQL tells it in JSON."""

LOGGED = re.compile(r"LOG:  duration: [\d.]+ ms  plan:\n((?:\t.*\n)+)")


def measure() -> Iterator[Row]:
    """Run the suite."""
    servers = installation()
    _fill(servers)
    found: dict[str, list[Explained]] = {}
    with servers.explained(MANY) as log, ExitStack() as stack:
        for is_internal in (False, True):
            web = servers.processes.web(servers.environment(MANY), internal=is_internal)
            stack.callback(web.stop)
            target = Target(web.url, [web.pid])
            for name, asked in _observed(servers) if is_internal else _hot(servers):
                found[name] = _asked(target, log, asked)
        with _worker(servers) as (services, sink):
            for name, lane, like in (
                ("a worker that sends codes", Lane.URGENT, CODES),
                ("a worker that sends invitations", Lane.NORMAL, INVITATIONS),
            ):
                found[name] = _carried_out(services, sink, log, lane, like)
    if rows.rounds == ROUNDS:
        told = [
            [f"{name}: {statement}", *show(plan), *map(SCAN.format, long_scans(plan)), ""]
            for name, plans in found.items()
            for statement, plan in plans
        ]
        KEPT.write_text("\n".join(line for each in told for line in each), encoding="utf-8")
    for name, plans in found.items():
        at_most = MOST.get(name)
        yield Row(f"statements of {name}", len(plans), "", at_most=at_most)
    scans = [
        f"{name}: {each}"
        for name, plans in found.items()
        for _, plan in plans
        for each in long_scans(plan)
    ]
    yield Row(
        f"scans of more than {SCANNED:,} rows in hot statements",
        len(scans),
        "",
        at_most=0,
        detail="; ".join(scans),
    )


def read_plans(log: str) -> list[Explained]:
    """The statements and their plans of PostgreSQL's log, in their order."""
    found = [json.loads(each.replace("\t", "")) for each in LOGGED.findall(log)]
    return [(" ".join(each["Query Text"].split()), each["Plan"]) for each in found]


def show(plan: dict[str, Any], depth: int = 1) -> Iterator[str]:
    """A line for each step of a plan: what it reads, by which index, and how many rows."""
    what = [plan["Node Type"]]
    what += [f"on {plan['Relation Name']}"] if "Relation Name" in plan else []
    what += [f"by {plan['Index Name']}"] if "Index Name" in plan else []
    rows = f"{plan['Actual Rows']} rows, {plan['Actual Loops']} times"
    yield f"{'  ' * depth}{' '.join(what)}: {rows}"
    for each in plan.get("Plans", ()):
        yield from show(each, depth + 1)


def long_scans(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads row by row, more than SCANNED of them."""
    read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    if plan["Node Type"] == "Seq Scan" and read * plan["Actual Loops"] > SCANNED:
        yield f"{plan['Relation Name']} ({read * plan['Actual Loops']:,} rows)"
    for each in plan.get("Plans", ()):
        yield from long_scans(each)


def _fill(servers: Installation) -> None:
    """As many rows of other tables as of mails: a scan of a short one would not be seen."""
    size = MANY // MAILS_EVERY
    with servers.database(MANY) as database:
        with database.transaction() as session:
            fill(session, utc_now(), size, tables=READ)
            for statement in MORE:
                session.execute(text(statement), {"rows": size})
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection:
            connection.execute(text("vacuum analyze"))


def _hot(servers: Installation) -> Iterator[tuple[str, Path]]:
    for name, request in (
        ("hash_details", Request("GET", "/_matrix/identity/v2/hash_details", token_of(1))),
        ("/info", Request("GET", INFO + LATE)),
        ("requestToken", code_for(1)),
        ("store-invite", invitation_by(1)),
    ):
        yield name, write(servers.folder / f"explained {name.strip('/')}", [request])
    for hashes in (1, 1_000):
        yield f"lookup of {hashes:,}", asked_of(hashes, MANY)


def _observed(servers: Installation) -> Iterator[tuple[str, Path]]:
    for path in ("/readyz", "/metrics"):
        asked = [Request("GET", path)]
        yield path, write(servers.folder / f"explained {path.strip('/')}", asked)


def _asked(target: Target, log: Path, asked: Path) -> list[Explained]:
    load = Load(target, asked)
    for _ in range(WARM):
        load.ask_once()
    return _explained(log, load.ask_once)


def _carried_out(
    services: WorkerServices, sink: Sink, log: Path, lane: Lane, like: str
) -> list[Explained]:
    """Send the mails that the requests before have ordered; each statement is told once."""
    now, before = services.now(), sink.taken
    with services.database.transaction() as session:
        stored = ThirdPartyInvitation.address.like(like)
        for invitation in session.scalars(select(ThirdPartyInvitation).where(stored)):
            room_agreement.confirm(session, now, invitation, services.hashes)
        session.execute(text(OVERDUE), {"like": like})
    found = _explained(
        log, lambda: tasks.run_lane(services, lane, is_ending=lambda: sink.taken > before)
    )
    if sink.taken == before:
        raise SystemExit(f"no mail of {like} left")
    return list(dict(found).items())


def _explained(log: Path, act: Callable[[], object]) -> list[Explained]:
    begin = log.stat().st_size
    act()
    with log.open("rb") as lines:
        lines.seek(begin)
        return read_plans(lines.read().decode())


@contextmanager
def _worker(servers: Installation) -> Iterator[tuple[WorkerServices, Sink]]:
    """What a worker process has, with a relay that takes everything. Its rules are loaded."""
    environment = servers.environment(MANY) | WORKER_KEYS
    given = {name.removeprefix("GUICHET_").lower(): each for name, each in environment.items()}
    with running_sink() as sink:
        given |= {"smtp_url": sink.url, "data_dir": str(servers.folder / "worker")}
        services = build_worker_services(Settings(_env_file=None, **given))
        logging.disable(logging.WARNING)  # each mail leaves a line
        try:
            services.rules.current()
            yield services, sink
        finally:
            logging.disable(logging.NOTSET)
            services.database.engine.dispose()
