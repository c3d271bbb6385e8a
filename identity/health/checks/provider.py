"""The check of `guichet doctor` for the OpenID provider by which operators sign in."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from identity.core.findings import Finding, State
from identity.operators.sso.models import find_provider
from identity.settings import Settings

NAME: Final = "OpenID provider"
LATE: Final = timedelta(hours=2)  # a worker reads it each hour


def check_provider(session: Session, now: datetime, settings: Settings) -> Iterator[Finding]:
    """Report whether a worker could read what the provider says of itself."""
    if settings.sso_issuer is None:
        return
    row = find_provider(session, settings.sso_issuer)
    fix = "check GUICHET_SSO_ISSUER, and whether a worker runs and reaches it"
    if row is None or row.read_at is None:
        why = f": {row.fault}" if row and row.fault else ""
        told = f"no worker has read it yet, so nobody signs in by it{why}"
        yield Finding(NAME, State.ATTENTION, told, fix)
    elif row.fault:
        told = f"{row.fault}; what was read {row.read_at:%Y-%m-%d %H:%M}Z is in use"
        yield Finding(NAME, State.ATTENTION, told, fix)
    elif row.read_at < now - LATE:
        told = f"no worker has read it since {row.read_at:%Y-%m-%d %H:%M}Z"
        yield Finding(NAME, State.ATTENTION, told, fix)
    else:
        yield Finding(NAME, State.OK, f"read {row.read_at:%Y-%m-%d %H:%M}Z")
