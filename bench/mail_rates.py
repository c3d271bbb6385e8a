"""Measures the mails that one worker process hands to a relay that costs next to nothing.

The process is this one: it runs the loop of a lane, as a process of the worker's pool does. The
database is a PostgreSQL with its durable defaults.
"""

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median

from sqlalchemy import text

from domain_rules.addresses import EmailAddress
from identity.core.database import UnlimitedSession
from identity.core.outbox import Lane
from identity.invitations import room_agreement, store_invite
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.services import WorkerServices, build_worker_services
from identity.settings import Settings
from identity.threepids import associations
from identity.threepids.validation_sessions import ValidationSession
from tests.services.keys import KEYS, WORKER_KEYS
from tests.services.postgresql import PostgreSQLServer
from tests.services.schema import create_schema
from tests.worlds.services import begin_federation, sample_rules
from tests.worlds.statements import statements
from workers import tasks

from . import rows
from .filling import OTHERS
from .processor_time import used_seconds
from .rows import GROWTH, Row
from .smtp_sink import Sink, running_sink

MAILS = 200  # of a round
FEW, MANY = 2_000, 100_000  # mails that left before, and as many that wait
INVITERS = 100
MUST = {"codes": 300, "invitations": 200}  # a second
MOST_STATEMENTS = 6


@dataclass(frozen=True)
class Measured:
    """What one mail cost, as a mean of a round."""

    a_second: float
    worker_ms: float  # of processor time
    database_ms: float
    statements: float


class World:
    """A worker process with a database of its own and a relay."""

    def __init__(self, services: WorkerServices, sink: Sink, server: PostgreSQLServer) -> None:
        self.services, self._sink, self._server = services, sink, server
        self._count = 0

    def codes(self) -> None:
        """Order codes for the clients of many people."""
        now = self.services.now() - timedelta(hours=1)
        with self.services.database.transaction() as session:
            for _ in range(MAILS):
                asked = ValidationSession(
                    id=uuid.uuid4(),
                    address=self._address("open.example"),
                    secret_hash="",
                    sealed_secret="",
                    user_id="@zoe:education.example",
                    device="Element",
                    language="fr",
                    send_attempt=1,
                    created_at=now,
                    asked_at=now,
                )
                session.add(asked)
                order = partial(mails.order, session, now, template=Template.CLIENT_VERIFY)
                order(address=asked.address, language="fr", subject_id=asked.id, due_at=now)

    def invitations(self) -> None:
        """Store invitations by many people, each of somebody else to a room that holds it."""
        services = self.services
        now = services.now() - timedelta(minutes=5)
        for number in range(MAILS):
            address, sender = self._address("asso.example"), inviter(number % INVITERS)
            room = f"!{uuid.uuid4().hex}:education.example"
            invited = InviteRequest(
                address, EmailAddress.stored(address), room, sender, is_placed_by_us=True
            )
            with UnlimitedSession(services.database.engine) as session, session.begin():
                made = store_invite.store(
                    session,
                    services.rules.current(),
                    now,
                    invited=invited,
                    key=EphemeralKey(uuid.uuid4().hex, "sealed"),
                    signing_key_id="ed25519:0",
                )
                room_agreement.confirm(session, now, made, services.hashes)

    def measure(self, order: Callable[[], None], lane: Lane) -> Measured:
        """Order mails, and hand over as many."""
        order()
        before = self._sink.taken

        def hand_over() -> int:
            tasks.run_lane(
                self.services, lane, is_ending=lambda: self._sink.taken - before >= MAILS
            )
            return self._sink.taken - before

        return self.spent(hand_over)

    def spent(self, act: Callable[[], int]) -> Measured:
        """What each of the things cost that `act` does. It returns how many."""
        database = self._server.child
        assert database is not None
        began, used = time.perf_counter(), time.process_time()
        used_there = used_seconds([database.pid])
        with statements(self.services.database.engine) as said:
            number = act()
        taken = time.perf_counter() - began
        here, there = time.process_time() - used, used_seconds([database.pid]) - used_there
        return Measured(
            number / taken, here / number * 1e3, there / number * 1e3, len(said) / number
        )

    def _address(self, domain: str) -> str:
        self._count += 1
        return f"p{self._count}@{domain}"


def measure() -> Iterator[Row]:
    """Run the suite."""
    with ExitStack() as stack:
        few, many = world(stack, FEW), world(stack, MANY)
        kinds = {
            "codes": (World.codes, Lane.URGENT),
            "invitations": (World.invitations, Lane.NORMAL),
        }
        for name, (order, lane) in kinds.items():
            found: dict[int, list[Measured]] = {FEW: [], MANY: []}
            for _ in range(rows.rounds + 1):
                for size, there in ((FEW, few), (MANY, many)):
                    found[size].append(there.measure(partial(order, there), lane))
            yield from _rows(name, found[FEW][1:], found[MANY][1:])  # the first one warms up


def _rows(name: str, few: list[Measured], many: list[Measured]) -> Iterator[Row]:
    worker, database = (
        median(getattr(each, side) for each in few) for side in ("worker_ms", "database_ms")
    )
    told = f"processor time of one: worker {worker:.2f} ms, database {database:.2f} ms"
    rate = median(each.a_second for each in few)
    yield Row(f"{name} of one worker process", rate, "/s", at_least=MUST[name], detail=told)
    asked = median(each.statements for each in few)
    yield Row(f"{name}: statements of one", asked, "", at_most=MOST_STATEMENTS)
    cost = [median(m.worker_ms + m.database_ms for m in side) for side in (few, many)]
    yield Row(
        f"{name}: processor time with {MANY:,} mails waiting and as many of before, to {FEW:,}",
        cost[1] / cost[0],
        "x",
        at_most=GROWTH,
    )


def world(stack: ExitStack, others: int) -> World:
    """A world beside so many other mails, closed with `stack`."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    folder.chmod(0o755)  # PostgreSQL runs as another user than root
    (folder / "postgresql").mkdir()
    server = PostgreSQLServer(folder / "postgresql", settings=("max_connections=100",))
    stack.callback(server.kill)
    server.start()
    sink = stack.enter_context(running_sink())
    url = server.url(server.create_database())
    create_schema(url)
    given = {
        name.removeprefix("GUICHET_").lower(): key for name, key in (KEYS | WORKER_KEYS).items()
    }
    settings = Settings(
        _env_file=None,
        database_url=url,
        smtp_url=sink.url,
        mail_from="Guichet <bonjour@guichet.example>",
        data_dir=folder / "var",
        **given,
    )
    services = build_worker_services(settings)
    with services.database.transaction() as session:
        begin_federation(session, services.now(), sample_rules(), "a key")
        services.hashes.make(session)
        for number in range(INVITERS):
            address = f"zoe.martin{number}@ac-rouen.example"
            associations.bind(session, services.now(), address=address, user_id=inviter(number))
        session.execute(text(OTHERS), {"number": others})
    with services.database.engine.connect() as connection:
        raw = connection.execution_options(isolation_level="AUTOCOMMIT")
        raw.execute(text("vacuum analyze"))
    return World(services, sink, server)


def inviter(number: int) -> str:
    """The user ID of somebody who invites."""
    return f"@zoe{number}:education.example"
