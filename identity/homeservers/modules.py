"""What a homeserver's module declares it can do, and for how long the declaration counts.

A module declares its version, the events it reports and the room actions it offers each time it
fetches the rules.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from . import module_models
from .module_models import HomeserverModule

FIRST_VERSION = 1  # of modules that do not declare a version
MAX_DIGITS = 5
RECORDED_EVERY = timedelta(minutes=1)  # a module may call each second: not every call is recorded
REPORTS = frozenset(
    {
        *("third_party_invited", "third_party_invite_revoked", "third_party_invite_stands"),
        *("invited", "joined", "left"),
        *("deactivated", "bound", "unbound", "refusals"),
    }
)
"""The kinds of reports that Guichet takes."""
ACTIONS = frozenset({"invite", "membership", "revoke", "room"})
MEMBERSHIP, THIRD_PARTY_INVITED = "membership", "third_party_invited"
REPORTING_FOR = timedelta(minutes=2)
"""How long after its last call a module counts as running: its reports come at once."""
ACTING_FOR = timedelta(days=7)
"""How long after its last call a module counts as present, if perhaps not running just now."""


@dataclass(frozen=True)
class Declared:
    """The version, reports and actions of a module, as far as Guichet knows them.

    `skipped`: the number of rules in force that the module does not understand.
    """

    version: int = FIRST_VERSION
    reports: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    skipped: int = 0


def read_declaration(
    version: str | None, reports: str | None, actions: str | None, skipped: str | None = None
) -> Declared:
    """Read the query parameters of a module. Unknown values, as of a newer module, are ignored."""
    return Declared(
        _number(version) or FIRST_VERSION,
        _known(reports, REPORTS),
        _known(actions, ACTIONS),
        _number(skipped),
    )


@dataclass(frozen=True)
class Revisions:
    """Of the rules: the one that the module has, and the one that it was sent last."""

    held: int | None = None
    sent: int | None = None


def find_sent(session: Session, homeserver: str) -> int | None:
    """The revision of the rules that the module was sent last; None if that is not known."""
    known = module_models.find(session, homeserver)
    return known.sent_revision if known else None


def is_changed(
    session: Session,
    now: datetime,
    homeserver: str,
    declared: Declared,
    revisions: Revisions = Revisions(),
) -> bool:
    """Whether to record this call: it says something new, or the last record is a minute old."""
    known = module_models.find(session, homeserver)
    if known is None or now >= known.heard_at + RECORDED_EVERY:
        return True
    values = _values(declared, revisions)
    return any(getattr(known, name) != value for name, value in values.items())


def record_declaration(
    session: Session,
    now: datetime,
    homeserver: str,
    declared: Declared,
    revisions: Revisions = Revisions(),
) -> None:
    """Record that the module called just now, what it declares, and which rules it has."""
    values = _values(declared, revisions)
    module_models.upsert(session, homeserver, {"heard_at": now, **values})


def is_reporting(session: Session, now: datetime, homeserver: str, report: str) -> bool:
    """Whether this homeserver's module is running now, and makes this kind of report."""
    return reports_now(module_models.find(session, homeserver), now, report)


def reports_now(module: HomeserverModule | None, now: datetime, report: str) -> bool:
    """Whether this module is running now, and makes this kind of report."""
    return (
        module is not None
        and report in module.reports.split(",")
        and now <= module.heard_at + REPORTING_FOR
    )


def offers_action(session: Session, now: datetime, homeserver: str, action: str) -> bool:
    """Whether this homeserver has a module with this room action, if perhaps not running now."""
    module = module_models.find(session, homeserver)
    return (
        module is not None
        and action in module.actions.split(",")
        and now <= module.heard_at + ACTING_FOR
    )


def _values(declared: Declared, revisions: Revisions) -> dict[str, Any]:
    return {
        "revision": revisions.held,
        "sent_revision": revisions.sent,
        "version": declared.version,
        "reports": ",".join(sorted(declared.reports)),
        "actions": ",".join(sorted(declared.actions)),
        "skipped": declared.skipped,
    }


def _known(text: str | None, known: Collection[str]) -> frozenset[str]:
    return frozenset((text or "").split(",")) & frozenset(known)


def _number(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        return 0
    return int(text)
