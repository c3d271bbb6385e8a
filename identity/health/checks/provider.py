"""The check of `guichet doctor` for the OpenID provider by which operators sign in."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from identity.core.findings import Finding, State, found
from identity.operators.sso.models import find_provider
from identity.settings import Settings

NAME: Final = "OpenID provider"
LATE: Final = timedelta(hours=2)  # a worker reads it each hour


def check_provider(session: Session, now: datetime, settings: Settings) -> Iterator[Finding]:
    """Report whether a worker could read what the provider says of itself."""
    if settings.sso_issuer is None:
        return
    row = find_provider(session, settings.sso_issuer)
    if row is None or row.read_at is None:
        if row and row.fault:
            yield found(NAME, State.ATTENTION, "provider_unreadable", fault=row.fault)
        else:
            yield found(NAME, State.ATTENTION, "provider_unread")
        return
    at = f"{row.read_at:%Y-%m-%d %H:%M}Z"
    if row.fault:
        yield found(NAME, State.ATTENTION, "provider_fault", fault=row.fault, at=at)
    elif row.read_at < now - LATE:
        yield found(NAME, State.ATTENTION, "provider_late", at=at)
    else:
        yield found(NAME, State.OK, "provider", at=at)
