"""What is told of operators and API tokens, to commands, screens and programs alike."""

from datetime import datetime
from typing import Any

from identity.core.personal_data import mask

from .models import AdminToken, Operator


def describe_operator(row: Operator, *, masked: bool = True) -> dict[str, Any]:
    """An operator as JSON. `masked`: of their address only what recognises it."""
    mail = mask(row.mail) if row.mail and masked else row.mail
    return {
        "id": str(row.id),
        "name": row.name,
        "mail": mail,
        "roles": list(row.roles),
        **_scope(row),
        "source": row.source,
        "created_at": _moment(row.created_at),
        "created_by": row.created_by,
        "changed_at": _moment(row.changed_at),
        "changed_by": row.changed_by,
        "seen_at": _moment(row.seen_at),
        "locked_until": _moment(row.locked_until),
        "disabled_at": _moment(row.disabled_at),
    }


def describe_token(row: AdminToken, maker: str) -> dict[str, Any]:
    """An API token as JSON, without the token. `maker`: the name of the operator whose it is."""
    return {
        "id": str(row.id),
        "name": row.name,
        "operator": maker,
        "roles": list(row.roles),
        **_scope(row),
        "created_at": _moment(row.created_at),
        "ends_at": _moment(row.ends_at),
        "used_at": _moment(row.used_at),
        "ended_at": _moment(row.ended_at),
    }


def _scope(row: Operator | AdminToken) -> dict[str, Any]:
    return {"organisations": list(row.organisations), "homeservers": list(row.homeservers)}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
