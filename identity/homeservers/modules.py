"""What a homeserver's module can do, as it says itself, and for how long that is believed."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from . import module_models as homeserver_modules

FIRST = 1  # of modules that do not say it
MAX_DIGITS = 5
REPORTS = frozenset(
    {
        *("third_party_invited", "third_party_invite_revoked", "invited", "joined", "left"),
        *("deactivated", "bound", "unbound", "refusals"),
    }
)
"""The kinds that `module_reports` takes."""
ACTIONS = frozenset({"invite", "membership", "revoke", "room"})
MEMBERSHIP, THIRD_PARTY_INVITED = "membership", "third_party_invited"
TELLS = timedelta(minutes=2)
"""So long after it was heard a module is waited for: it tells what happens as soon as it happens."""
ANSWERS = timedelta(days=7)
"""So long it counts as there, though it may be silent for the moment."""


@dataclass(frozen=True)
class Declared:
    """Version, reports and actions, as far as they mean something here; how many rules it does not understand."""

    version: int = FIRST
    reports: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    skipped: int = 0


def read(
    version: str | None, reports: str | None, actions: str | None, skipped: str | None = None
) -> Declared:
    """From the query of a module. What we do not know, of a newer one perhaps, is left out; nothing is a fault."""
    return Declared(
        _number(version) or FIRST,
        _known(reports, REPORTS),
        _known(actions, ACTIONS),
        _number(skipped),
    )


def is_news(session: Session, now: datetime, homeserver: str, declared: Declared) -> bool:
    """Whether `hear` has something to write: a module may ask every second."""
    return homeserver_modules.is_news(
        session,
        now,
        homeserver=homeserver,
        version=declared.version,
        reports=declared.reports,
        actions=declared.actions,
        skipped=declared.skipped,
    )


def hear(session: Session, now: datetime, homeserver: str, declared: Declared) -> None:
    """The module asked for the rules."""
    homeserver_modules.hear(
        session,
        now,
        homeserver=homeserver,
        version=declared.version,
        reports=declared.reports,
        actions=declared.actions,
        skipped=declared.skipped,
    )


def tells(session: Session, now: datetime, homeserver: str, report: str) -> bool:
    """Whether this homeserver's module is on now, and reports such things."""
    module = homeserver_modules.find(session, homeserver)
    return module is not None and module.tells(report) and now <= module.heard_at + TELLS


def does(session: Session, now: datetime, homeserver: str, action: str) -> bool:
    """Whether this homeserver has a module that does this, if perhaps not at the moment."""
    module = homeserver_modules.find(session, homeserver)
    return module is not None and module.does(action) and now <= module.heard_at + ANSWERS


def _known(text: str | None, known: Collection[str]) -> frozenset[str]:
    return frozenset((text or "").split(",")) & frozenset(known)


def _number(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        return 0
    return int(text)
