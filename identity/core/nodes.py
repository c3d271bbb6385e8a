"""The running processes of Guichet, as each of them reports itself every ten seconds.

Pages ask it before they accept a password, since a worker must be able to open it. Operators see by
it what is missing, and what differs between machines.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from . import inserting, rows
from .database import Base

EVERY = timedelta(seconds=10)
GONE_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(days=1)


class NodeKind(StrEnum):
    """What a process does."""

    WEB = "web"  # the public site
    INTERNAL = "internal"  # the listener for homeservers
    WORKER = "worker"
    SCHEDULER = "scheduler"


class NodeFault(StrEnum):
    """What a process finds wrong with its own machine."""

    DATA_FOLDER = "data_folder"  # it cannot write there
    BROKER = "broker"  # it does not answer, or takes nothing


class Node(Base):
    """One process and when it was last seen, by the clock of the database.

    Version 0.1.0 has the table for workers only, and reads and writes it while nodes are upgraded
    one after the other: therefore its name, and a default in every later column.
    """

    __tablename__ = "worker_heartbeats"

    node_id: Mapped[str] = mapped_column("worker", primary_key=True)
    key_ids: Mapped[str]  # of a worker's private halves, separated by commas
    seen_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(server_default=NodeKind.WORKER)
    host: Mapped[str] = mapped_column(server_default="")
    started_at: Mapped[datetime | None]
    version: Mapped[str] = mapped_column(server_default="")
    schema: Mapped[str] = mapped_column(server_default="")  # the revision that its code needs
    rules_revision: Mapped[int | None]
    fingerprints: Mapped[str] = mapped_column(server_default="{}")  # JSON, see NodeReport.keys
    clock_offset: Mapped[int] = mapped_column(server_default="0")  # milliseconds
    lanes: Mapped[str] = mapped_column(server_default="")  # of a worker, separated by commas
    faults: Mapped[str] = mapped_column(server_default="")  # NodeFault, separated by commas

    @property
    def offset(self) -> timedelta:
        """How far the clock of its machine is ahead of the database's."""
        return timedelta(milliseconds=self.clock_offset)

    @property
    def keys(self) -> dict[str, list[str]]:
        """The fingerprints of its keys, see NodeReport.keys."""
        found: dict[str, list[str]] = json.loads(self.fingerprints)
        return found


@dataclass(frozen=True)
class NodeReport:
    """What a process says of itself.

    `keys`: for each set of keys (`link`, `storage`, `homeserver`) the fingerprints, in order.
    """

    node_id: str
    kind: NodeKind = NodeKind.WORKER
    host: str = ""
    started_at: datetime | None = None
    version: str = ""
    schema: str = ""
    rules_revision: int | None = None
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key_ids: Sequence[str] = ()
    offset: timedelta = timedelta()
    lanes: Sequence[str] = ()
    faults: Sequence[NodeFault] = ()


def record_heartbeat(session: Session, now: datetime, report: NodeReport) -> None:
    """Record that this process is running; delete those not seen for a day.

    `now`: by the clock of the database.
    """
    values = {
        "key_ids": ",".join(report.key_ids),
        "seen_at": now,
        "kind": report.kind,
        "host": report.host,
        "started_at": report.started_at,
        "version": report.version,
        "schema": report.schema,
        "rules_revision": report.rules_revision,
        "fingerprints": json.dumps(report.keys),
        "clock_offset": round(report.offset / timedelta(milliseconds=1)),
        "lanes": ",".join(report.lanes),
        "faults": ",".join(report.faults),
    }
    session.execute(
        inserting.insert_statement(session, Node)
        .values(worker=report.node_id, **values)
        .on_conflict_do_update(index_elements=["worker"], set_=values)
    )
    rows.delete(session, Node, Node.seen_at < now - FORGOTTEN_AFTER)


def remove_node(session: Session, node_id: str) -> None:
    """Delete a process that stops."""
    rows.delete(session, Node, Node.node_id == node_id)


def find_all(session: Session) -> Sequence[Node]:
    """All processes seen within a day, by kind, machine and start."""
    return session.scalars(select(Node).order_by(Node.kind, Node.host, Node.started_at)).all()


def find_alive(session: Session, now: datetime, kind: NodeKind | None = None) -> Sequence[Node]:
    """The processes seen within the last 30 seconds, of one kind or of all.

    `now`: by the clock of the database.
    """
    query = select(Node).where(Node.seen_at > now - GONE_AFTER).order_by(Node.kind, Node.host)
    return session.scalars(query if kind is None else query.where(Node.kind == kind)).all()


def can_open(session: Session, now: datetime, key_id: str) -> bool:
    """Whether a running worker can open what is sealed to this key."""
    return any(
        key_id in each.key_ids.split(",") for each in find_alive(session, now, NodeKind.WORKER)
    )


def read_database_clock(session: Session) -> datetime | None:
    """The present moment by the clock of PostgreSQL; None for SQLite, which has no other clock."""
    if session.get_bind().dialect.name != "postgresql":
        return None
    return session.scalar(select(func.clock_timestamp()))
