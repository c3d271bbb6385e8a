"""What is told of a homeserver, without its secrets: one dictionary for commands, API and console."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from . import breakers, credentials, standing
from .credentials import HomeserverCredential
from .models import Homeserver
from .module_models import HomeserverModule


def describe(row: Homeserver, now: datetime) -> dict[str, Any]:
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
        "base_url": row.base_url,
        "client_url": row.client_url,
        "phone_url": row.phone_url,
        "private_ca": row.ca_pem is not None,
        "insecure": row.insecure,
        "has_secrets": row.registration_secret is not None,
        "created_at": _moment(row.created_at),
        "state": standing.state_of(row, now),
        "held_at": _moment(row.held_at) if standing.is_on_hold(row, now) else None,
        "held_until": _moment(row.held_until) if standing.is_on_hold(row, now) else None,
        "suspended_at": _moment(row.suspended_at),
        "retired_at": _moment(row.retired_at),
    }


def describe_all(
    session: Session, found: Sequence[Homeserver], now: datetime
) -> list[dict[str, Any]]:
    """Each as `describe`, with what its module said last; two queries however many there are."""
    names = [row.name for row in found]
    modules = {
        row.homeserver: row
        for row in session.scalars(
            select(HomeserverModule).where(HomeserverModule.homeserver.in_(names))
        )
    }
    open_breakers = {name for (name, _), is_open in breakers.find_all(session).items() if is_open}
    return [
        describe(row, now)
        | {
            "module": _describe_module(modules.get(row.name)),
            "answers": row.name not in open_breakers,
        }
        for row in found
    ]


def describe_whole(session: Session, row: Homeserver, now: datetime) -> dict[str, Any]:
    """As `describe`, with its module, its breakers and its credentials.

    `module`: null if it has never called; its `revision`: of the rules that it has, null if that is
    not known. `breakers`: {interface: {"failures": number, "open_until": time or null}}.
    `credentials`: when each valid one was issued and ends; never the credential.
    """
    states = breakers.find_of(session, row.name)
    module, valid = _find_module_and_credentials(session, row.name, now)
    return describe(row, now) | {
        "module": _describe_module(module),
        "breakers": {
            str(interface): {"failures": state.failures, "open_until": _moment(state.until)}
            for interface, state in states.items()
        },
        "credentials": [
            {"issued_at": _moment(each.created_at), "ends_at": _moment(each.retires_at)}
            for each in valid
        ],
    }


def readable(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a label and a text, for people."""
    return [(name.replace("_", " "), readable_value(value)) for name, value in shown.items()]


def readable_whole(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """As `readable`, of what `describe_whole` returns: each fact within its parts is a pair."""
    nested = ("module", "breakers", "credentials", "jobs")
    module = shown["module"] or {"module": "never heard"}
    return [
        *readable({name: value for name, value in shown.items() if name not in nested}),
        *readable(module),
        *((f"jobs: {name}", text) for name, text in readable(shown.get("jobs", {}))),
        *(("credential", _credential(each)) for each in shown["credentials"]),
        *(
            (f"{interface} not called until", str(state["open_until"]))
            for interface, state in shown["breakers"].items()
            if state["open_until"]
        ),
    ]


def readable_value(value: Any) -> str:
    """A value for people: yes, no, or as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _credential(shown: dict[str, Any]) -> str:
    until = f", good until {shown['ends_at']}" if shown["ends_at"] else ""
    return f"issued {shown['issued_at']}{until}"


def _find_module_and_credentials(
    session: Session, name: str, now: datetime
) -> tuple[HomeserverModule | None, list[HomeserverCredential]]:
    """What its module said last, and its valid credentials, newest first; one statement."""
    credential, module = HomeserverCredential, HomeserverModule
    valid = (credential.homeserver == Homeserver.name) & credentials.is_valid(now)
    query = select(module, credential).select_from(Homeserver)
    query = query.outerjoin(module, module.homeserver == Homeserver.name)
    query = query.outerjoin(credential, valid).where(Homeserver.name == name)
    found = session.execute(query.order_by(credential.created_at.desc())).all()
    return (found[0][0] if found else None), [each for _, each in found if each is not None]


def _describe_module(row: HomeserverModule | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "heard_at": _moment(row.heard_at),
        "version": row.version,
        "reports": sorted(filter(None, row.reports.split(","))),
        "actions": sorted(filter(None, row.actions.split(","))),
        "skipped_rules": row.skipped,
        "revision": row.revision,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
