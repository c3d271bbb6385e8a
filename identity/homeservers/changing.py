"""Changes a registered homeserver: its addresses, secrets and kind; holds, suspends, retires it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy.orm import Session

from identity.core import journal, outbox
from identity.core.journal import Actor
from identity.core.sealing import PrivateHalves, PublicHalf, Vault
from identity.problems import EndsSooner, Problem, UnknownHomeserver

from . import models as homeservers, secrets as homeserver_secrets, standing
from .models import Homeserver
from .secrets import FIELDS
from .service import (
    WrongHomeserver,
    check_class,
    check_kind,
    check_way,
    label_of,
    origin_of,
    template_of,
)

CLEARABLE = ("federation_url", "base_url", "ca_pem", "client_url", "phone_url", *FIELDS)
URLS = {"url": "the URL", "federation_url": "the federation URL", "base_url": "the base URL"}
TEMPLATES = {"client_url": "the client URL", "phone_url": "the phone URL"}
SEALED_FOR = ("url", "ca_pem", "insecure")
"""The fields that a secret is sealed for: with another of these it does not open."""
KEPT = "a secret"  # all that is shown of one
FINAL = {
    "name": "its users' IDs end in it. Register the other name as another homeserver, and move rules there",
    "user_id_scheme": "IDs of accounts were made by it, and by another scheme two people could get the same ID",
}
"""What cannot be changed, and why."""


class NothingToChange(Problem):
    """It is so already; nothing was changed."""


@dataclass(frozen=True)
class Keys:
    """What seals secrets, and opens those that are there if this process has the private half."""

    vault: Vault
    public: PublicHalf
    private: PrivateHalves | None = None


def find(session: Session, name: str) -> Homeserver:
    """The homeserver. Raises UnknownHomeserver with close names."""
    found = homeservers.find(session, name)
    if found is None:
        known = [each.name for each in homeservers.find_all(session)]
        raise UnknownHomeserver(name, difflib.get_close_matches(name, known))
    return found


def change(
    session: Session,
    now: datetime,
    who: Actor,
    name: str,
    wanted: Mapping[str, Any],
    *,
    keys: Keys,
) -> dict[str, dict[str, Any]]:
    """Set these fields; None clears one. Returns {field: {"before", "after"}}, secrets not shown.

    Its secrets are sealed for its URL and certificate: if these change, secrets must be given as
    well, unless `keys` opens those that are there. Raises UnknownHomeserver, WrongHomeserver,
    NothingToChange, CannotOpen.
    """
    row = find(session, name)
    secrets: dict[str, Any] = {field: wanted[field] for field in FIELDS if field in wanted}
    values = {field: value for field, value in wanted.items() if field not in FIELDS}
    values = {field: _read(field, value) for field, value in values.items()}
    before = {field: getattr(row, field) for field in values}
    changed = {field: values[field] for field in values if values[field] != before[field]}
    if changed.get("connector") == "none":
        secrets = {each: None for each in FIELDS if getattr(row, each)}
    had = {field for field in FIELDS if getattr(row, field)}
    kept = _secrets_to_reseal(row, changed, secrets, keys)
    for field, value in changed.items():
        setattr(row, field, value)
    if "class_source" in changed:
        check_class(session, name, row.class_source)
        # Of the version before, which reads it.
        row.set_guests_for_older_versions()
    _seal(row, secrets | kept, keys)
    _check(row)
    session.flush()
    facts = {
        field: {"before": _shown(field, before[field]), "after": _shown(field, value)}
        for field, value in changed.items()
    }
    facts |= {
        field: {"before": KEPT if field in had else None, "after": KEPT if value else None}
        for field, value in secrets.items()
    }
    if not facts:
        raise NothingToChange
    journal.write(session, now, who, action="homeserver.set", subject=name, facts=facts)
    return facts


def _read(field: str, value: Any) -> Any:
    """The value as it is stored; None clears it. Raises WrongHomeserver."""
    if value is None:
        return None
    if field in URLS:
        return origin_of(value, URLS[field])
    if field in TEMPLATES:
        return template_of(value, TEMPLATES[field])
    return label_of(value) if field == "label" else value


def hold(
    session: Session,
    now: datetime,
    who: Actor,
    name: str,
    *,
    until: datetime | None = None,
    may_shorten: bool = True,
) -> Homeserver:
    """Send nothing there from now on: jobs wait. If it is held already, only the end changes.

    Raises EndsSooner, as a freeze does.
    """
    row = find(session, name)
    if not may_shorten and standing.is_on_hold(row, now):
        EndsSooner.check(row.held_until, until)
    before = _moments(row)
    if not standing.is_on_hold(row, now):
        row.held_at = now
    row.held_until = until
    return _record(session, now, who, row, action="homeserver.hold", before=before)


def release(session: Session, now: datetime, who: Actor, name: str) -> int:
    """End the hold. Returns how many jobs go on: none while it is suspended.

    Raises NothingToChange.
    """
    row = find(session, name)
    if row.held_at is None:
        raise NothingToChange(f"{name} is not held; nothing was changed.")
    before = _moments(row)
    row.held_at = row.held_until = None
    return _let_go(session, now, who, row, action="homeserver.release", before=before)


def suspend(session: Session, now: datetime, who: Actor, name: str) -> Homeserver:
    """Refuse its credential and its people, and send nothing there. Raises NothingToChange."""
    row = find(session, name)
    if row.suspended_at is not None:
        raise NothingToChange(f"{name} is suspended already; nothing was changed.")
    before = _moments(row)
    row.suspended_at = now
    return _record(session, now, who, row, action="homeserver.suspend", before=before)


def resume(session: Session, now: datetime, who: Actor, name: str) -> int:
    """End the suspension. Returns how many jobs go on: none while it is held.

    Raises NothingToChange.
    """
    row = find(session, name)
    if row.suspended_at is None:
        raise NothingToChange(f"{name} is not suspended; nothing was changed.")
    before = _moments(row)
    row.suspended_at = None
    return _let_go(session, now, who, row, action="homeserver.resume", before=before)


def retire(session: Session, now: datetime, who: Actor, name: str) -> Homeserver:
    """Make no new accounts there from now on. Raises NothingToChange."""
    row = find(session, name)
    if row.retired_at is not None:
        raise NothingToChange(f"{name} is retired already; nothing was changed.")
    before = _moments(row)
    row.retired_at = now
    return _record(session, now, who, row, action="homeserver.retire", before=before)


def reinstate(session: Session, now: datetime, who: Actor, name: str) -> Homeserver:
    """Make accounts there again. Raises NothingToChange."""
    row = find(session, name)
    if row.retired_at is None:
        raise NothingToChange(f"{name} is not retired; nothing was changed.")
    before = _moments(row)
    row.retired_at = None
    return _record(session, now, who, row, action="homeserver.reinstate", before=before)


def _secrets_to_reseal(
    row: Homeserver, changed: Mapping[str, Any], given: Mapping[str, Any], keys: Keys
) -> dict[str, SecretStr]:
    """The secrets that are not given anew, but must be sealed for another URL or certificate."""
    stale = [field for field in FIELDS if getattr(row, field) and field not in given]
    if not stale or not changed.keys() & set(SEALED_FOR):
        return {}
    if keys.private is None:
        options = " and ".join(f"--{field.replace('_', '-')}-file" for field in stale)
        raise WrongHomeserver(
            f"{row.name}: its secrets are sealed for its URL and certificate, and would be sent elsewhere now; "
            f"give {options} too, or run this where GUICHET_HOMESERVER_KEYS is set"
        )
    return {
        field: homeserver_secrets.open_secret(keys.vault, keys.private, row, field)
        for field in stale
    }


def _seal(row: Homeserver, secrets: Mapping[str, SecretStr | None], keys: Keys) -> None:
    for field in FIELDS:
        if field not in secrets:
            continue
        secret = secrets[field]
        if secret is None:
            setattr(row, field, None)
        else:
            homeserver_secrets.seal_secret(keys.public, row, field, secret)


def _check(row: Homeserver) -> None:
    """Raises WrongHomeserver for what cannot be together."""
    check_way(row.name, row.url, row.connector)
    check_kind(
        row.name,
        row.connector,
        has_secret=[getattr(row, field) is not None for field in FIELDS],
    )


def _let_go(
    session: Session,
    now: datetime,
    who: Actor,
    row: Homeserver,
    *,
    action: str,
    before: dict[str, str | None],
) -> int:
    """What waited for it goes on, unless something else stops it. Returns how many jobs do."""
    session.flush()
    is_free = standing.is_reachable(row, now)
    released = outbox.release(session, now, standing.key_of(row.name)) if is_free else 0
    _record(session, now, who, row, action=action, before=before, released_jobs=released)
    return released


def _record(
    session: Session,
    now: datetime,
    who: Actor,
    row: Homeserver,
    *,
    action: str,
    before: dict[str, str | None],
    **facts: int,
) -> Homeserver:
    session.flush()
    journal.write(
        session,
        now,
        who,
        action=action,
        subject=row.name,
        facts={"before": before, "after": _moments(row), **facts},
    )
    return row


def _moments(row: Homeserver) -> dict[str, str | None]:
    fields = ("held_at", "held_until", "suspended_at", "retired_at")
    moments = {field: getattr(row, field) for field in fields}
    return {
        field: moment.isoformat(timespec="seconds") if moment else None
        for field, moment in moments.items()
    }


def _shown(field: str, value: object) -> object:
    """A value as the journal keeps it: of a certificate only that there is one."""
    return ("a certificate" if value else None) if field == "ca_pem" else value
