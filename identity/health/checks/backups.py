"""Checks of `guichet doctor` for backups, and for what a loaded one leaves to do."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core import continuity
from identity.core.findings import Finding, State, found
from identity.homeservers import credentials

NIGHTLY = timedelta(hours=26)


def check_backups(session: Session, now: datetime, *, is_embedded: bool) -> Iterator[Finding]:
    """Report that no backup was seen for a day, and credentials from before a restore."""
    row = continuity.find(session)
    if row is None:
        return
    if not is_embedded:
        yield from _last_backup(row.backup_of, now, since=row.made_at)
    if row.restored_at is None:
        return
    for name in credentials.find_older(session, now, row.restored_at):
        yield found(name, State.ATTENTION, "credential_revived", name=name)


def _last_backup(made_at: datetime | None, now: datetime, *, since: datetime) -> Iterator[Finding]:
    if now - (made_at or since) > NIGHTLY:
        if made_at is None:
            yield found("backup", State.ATTENTION, "backup_never")
        else:
            yield found("backup", State.ATTENTION, "backup_old", at=f"{made_at:%Y-%m-%d %H:%M}Z")
    elif made_at is not None:
        yield found("backup", State.OK, "backup", at=f"{made_at:%Y-%m-%d %H:%M}Z")
