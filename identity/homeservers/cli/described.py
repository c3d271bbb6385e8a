"""A homeserver as commands show it, without its secrets."""

from datetime import datetime
from typing import Any

from identity.homeservers import standing
from identity.homeservers.models import Homeserver


def described(row: Homeserver, now: datetime) -> dict[str, Any]:
    """The fields of a homeserver that may be shown, as JSON."""
    return {
        "name": row.name,
        "url": row.url,
        "label": row.label,
        "guests": row.is_for_guests,
        "connector": row.connector,
        "user_id_scheme": row.user_id_scheme,
        "class_source": row.class_source,
        "federation_url": row.federation_url,
        "client_url": row.client_url,
        "private_ca": row.ca_pem is not None,
        "insecure": row.insecure,
        "has_secrets": row.registration_secret is not None,
        "created_at": row.created_at.isoformat(),
        "state": standing.state_of(row, now),
        "held_at": _moment(row.held_at) if standing.is_on_hold(row, now) else None,
        "held_until": _moment(row.held_until) if standing.is_on_hold(row, now) else None,
        "suspended_at": _moment(row.suspended_at),
        "retired_at": _moment(row.retired_at),
    }


def readable(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a label and a text, for people."""
    return [(name.replace("_", " "), readable_value(value)) for name, value in shown.items()]


def readable_value(value: Any) -> str:
    """A value for people: yes, no, or as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
