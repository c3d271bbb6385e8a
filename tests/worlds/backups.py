"""A backup by value: every row of every table, on both databases; a worker beats before and after it."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import insert, select

from identity.core import continuity
from identity.core.database import Base
from identity.core.journal import Actor
from identity.core.outbox import Job, Lane
from identity.restore import service as restoring
from identity.restore.service import Begun
from identity.services import WorkerServices
from workers import tasks

OLGA = Actor("olga", "here", "the disk died")


@dataclass
class Backups:
    """Of the database of these services. `worker` is replaced by tests whose worker has more."""

    worker: WorkerServices
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def take(self) -> None:
        with self.worker.database.reading() as session:
            self.rows = {
                table.name: [dict(row) for row in session.execute(select(table)).mappings()]
                for table in Base.metadata.sorted_tables
            }

    def load(self) -> None:
        """The database is as it was; a machine has seen three heartbeats more."""
        for _ in range(3):
            self.beat()
        tables = Base.metadata.sorted_tables
        with self.worker.database.engine.begin() as connection:
            for table in reversed(tables):
                connection.execute(table.delete())
            for table in tables:
                if self.rows[table.name]:
                    connection.execute(insert(table), self.rows[table.name])

    def beat(self) -> None:
        with self.worker.database.transaction() as session:
            continuity.check(session, self.worker.now(), self.worker.last_seen)
            position = continuity.tick(session)
            name = continuity.find(session).name
        self.worker.last_seen.remember(name, position)

    def begin(self, **options: Any) -> Begun:
        with self.worker.database.transaction() as session:
            seen = self.worker.last_seen
            return restoring.begin(session, self.worker.now(), OLGA, last_seen=seen, **options)

    def bring_back(self, clock: Any) -> Begun:
        """Half a day later it is loaded; a machine notices, and the operator does what is right."""
        clock.advance(hours=12)
        self.load()
        self.work()
        assert self.is_held()
        ended = self.begin()
        self.resume()
        return ended

    def plan(self) -> dict[str, int]:
        with self.worker.database.reading() as session:
            return {each.kind: each.count for each in restoring.plan(session)}

    def resume(self) -> None:
        with self.worker.database.transaction() as session:
            restoring.resume(session, self.worker.now(), OLGA)

    def dismiss(self) -> None:
        with self.worker.database.transaction() as session:
            restoring.dismiss(session, self.worker.now(), OLGA)

    def work(self, *lanes: Lane) -> None:
        """All that is due, twice: the first round orders what the second does."""
        for _ in range(2):
            for lane in lanes or Lane:
                tasks.run_lane(self.worker, lane)

    def is_held(self) -> bool:
        with self.worker.database.reading() as session:
            return continuity.find(session).held_since is not None

    def job_of(self, subject_id: uuid.UUID) -> Job:
        with self.worker.database.reading() as session:
            return session.scalars(select(Job).where(Job.subject_id == subject_id)).one()


@pytest.fixture
def backups(services) -> Backups:
    return Backups(services)
