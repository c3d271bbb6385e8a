"""Whether the homeservers to which a change brings people can take them just now."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.rule import Rule
from identity.homeservers import health_models, models as homeservers, module_models, standing
from identity.homeservers.health_models import SLOW, HomeserverHealth
from identity.problems import TargetNotReady

from . import change_models as models
from .change_models import Act, Change

SILENT_AFTER: Final = timedelta(minutes=5)
LOOKED_AT: Final = timedelta(minutes=15)  # looks are five minutes apart; older ones say nothing
SILENT: Final = "silent"  # its module has not fetched the rules for a while


def find_not_ready(session: Session, now: datetime, names: Iterable[str]) -> dict[str, str]:
    """Those of these homeservers that take nobody: `suspended`, `retired`, `held` or `silent`."""
    found: dict[str, str] = {}
    modules = {each.homeserver: each.heard_at for each in session.scalars(ALL_MODULES)}
    wanted = set(names)
    for row in homeservers.find_all(session):
        heard_at = modules.get(row.name)
        state = standing.state_of(row, now)
        if state == standing.OPEN and heard_at is not None and heard_at < now - SILENT_AFTER:
            state = SILENT
        if row.name in wanted and state != standing.OPEN:
            found[row.name] = state
    return found


def find_slow(session: Session, now: datetime, names: Iterable[str]) -> list[HomeserverHealth]:
    """The last looks at those of these homeservers that took long to answer, or did not."""
    wanted = set(names)
    last = health_models.find_last(session, now - LOOKED_AT)
    return [
        look
        for name, look in sorted(last.items())
        if name in wanted and (look.milliseconds is None or look.milliseconds > SLOW)
    ]


def homeservers_of(begun: Iterable[Rule]) -> set[str]:
    """Where the people of these rules belong."""
    named = {rule.homeserver for rule in begun} | {rule.protected_homeserver for rule in begun}
    return {name for name in named if name is not None}


def check_ready(session: Session, now: datetime, change: Change) -> None:
    """Raises TargetNotReady if a rule that the change puts names a homeserver that takes nobody."""
    lines = models.find_lines(session, change.id)
    put = [models.rule_of(line) for line in lines if line.act == Act.PUT]
    for name, state in find_not_ready(session, now, homeservers_of(put)).items():
        if state == standing.HELD:  # nothing is sent there; people belong there as ever
            continue
        raise TargetNotReady(f"The homeserver {name} takes nobody just now: it is {state}.")


ALL_MODULES = select(module_models.HomeserverModule)
