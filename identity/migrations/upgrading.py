"""Upgrades a database with Alembic, and finds the way back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.clock import utc_now
from identity.core.database import make_engine
from identity.core.journal import Actor, JournalEntry

from . import dependents, known_revisions, running
from .configuring import alembic_config
from .losses import Loss, find_losses
from .running import Blocked, Change, Patience

DB_UPGRADE, DB_DOWNGRADE = "db.upgrade", "db.downgrade"  # in the journal


class CannotDowngrade(Exception):
    """There is no way back from here. The message says why."""


@dataclass(frozen=True)
class WayBack:
    """A downgrade: from which revision to which, what would be lost, and who is in the way.

    `dependents`: the running processes that need a newer schema than the older one.
    """

    now: str
    older: str
    losses: Sequence[Loss]
    dependents: Sequence[str]


def upgrade(
    url: str,
    revision: str = "head",
    *,
    who: Actor | None = None,
    now: datetime | None = None,
    patience: Patience | None = None,
) -> Change:
    """Upgrade the database to a revision, and write it into the journal if `who` is given.

    Several nodes may do so at once: one works, the others wait and find it done. Raises Blocked.
    """
    config = alembic_config(url)

    def act(connection: Connection) -> None:
        before = running.revision_in(connection)
        command.upgrade(config, revision)
        after = running.revision_in(connection)
        if who is not None and before not in {None, after}:
            _note(connection, now, who, DB_UPGRADE, {"from": before, "to": after})

    return running.run(config, act, patience)


def find_way_back(url: str, wanted: str | None = None) -> WayBack:
    """Where a downgrade would lead, by default to before the last upgrade.

    Raises CannotDowngrade, also without a record of that upgrade: nobody goes further back than
    they meant to, as by running the command a second time.
    """
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            here = running.revision_in(connection)
            if here is None:
                raise CannotDowngrade("the database is empty")
            if here not in known_revisions():
                raise CannotDowngrade(
                    f"revision {here} is of a later version: run guichet db downgrade of that version"
                )
            earlier = [each.revision for each in _scripts().walk_revisions("base", here)][1:]
            older = wanted or _before_last_upgrade(connection, here, earlier)
            if older not in earlier:
                raise CannotDowngrade(f"there is no revision {older} before {here}")
            return WayBack(
                here,
                older,
                find_losses(connection, here, older),
                dependents.find_dependents(connection, earlier[earlier.index(older) :]),
            )
    finally:
        engine.dispose()


def downgrade(
    url: str, way: WayBack, *, who: Actor, now: datetime, patience: Patience | None = None
) -> Change:
    """Go that way back, and write it into the journal. Raises Blocked."""
    config = alembic_config(url)

    def act(connection: Connection) -> None:
        if running.revision_in(connection) != way.now:
            raise Blocked("the schema was changed meanwhile: run this again")
        # Before: the journal of the older schema may be another one.
        _note(connection, now, who, DB_DOWNGRADE, {"from": way.now, "to": way.older})
        command.downgrade(config, way.older)

    return running.run(config, act, patience)


def _note(
    connection: Connection, now: datetime | None, who: Actor, action: str, facts: Mapping[str, Any]
) -> None:
    subject, at = str(facts["to"]), now or utc_now()
    with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
        journal.write(session, at, who, action=action, subject=subject, facts=facts)


def _before_last_upgrade(connection: Connection, here: str, earlier: Sequence[str]) -> str:
    """The revision from which the last upgrade came, by the journal. Raises CannotDowngrade."""
    if not earlier:
        raise CannotDowngrade(f"{here} is the first revision")
    last = None
    if JournalEntry.__tablename__ in inspect(connection).get_table_names():
        with Session(connection) as session:
            last = max(
                (
                    each
                    for action in (DB_UPGRADE, DB_DOWNGRADE)
                    for each in journal.find_recent(session, limit=1, action=action)
                ),
                key=lambda each: each.number,
                default=None,
            )
    facts = json.loads(last.facts) if last is not None else {}
    further = f"--to names the revision to go back to; the one before is {earlier[0]}"
    if last is None or facts.get("to") != here:
        raise CannotDowngrade(f"no upgrade to {here} is in the journal: {further}")
    if last.action == DB_DOWNGRADE:
        raise CannotDowngrade(
            f"the database went back from {facts['from']} to {here} already, "
            f"at {last.at:%Y-%m-%d %H:%M}Z. If you mean to go further back: {further}"
        )
    return str(facts["from"])


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config(""))
