"""Checks of `guichet doctor` for backups, and for what a loaded one leaves to do."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core import continuity
from identity.core.findings import Finding, State
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
        told = "a credential that had ended may be valid again since a backup was loaded"
        fix = f"guichet homeserver rotate-credential {name}"
        yield Finding(name, State.ATTENTION, told, fix)


def _last_backup(made_at: datetime | None, now: datetime, *, since: datetime) -> Iterator[Finding]:
    if now - (made_at or since) > NIGHTLY:
        told = f"the last was made {made_at:%Y-%m-%d %H:%M}Z" if made_at else "none was ever seen"
        fix = "run guichet backup check FILE after each dump (docs/operations.md)"
        yield Finding("backup", State.ATTENTION, told, fix)
    elif made_at is not None:
        yield Finding("backup", State.OK, f"made {made_at:%Y-%m-%d %H:%M}Z")
