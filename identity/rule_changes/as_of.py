"""The rules as of now, of a revision, or under a change: addresses are tested against each of them."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rule import Rule
from domain_rules.rules import RuleSet
from identity.operators.roles import ALL, Scope
from identity.problems import WrongParameter
from identity.routing import models as rules

from . import changes, lines, service
from .change_models import Change

REVISION, CHANGE = re.compile(r"[rR]?\s*(\d{1,9})"), re.compile(r"[cC]-?\s*(\d{1,9})")


@dataclass(frozen=True)
class AsOf:
    """A revision, a change (the number of C-n), or neither: the rules in force."""

    revision: int | None = None
    change: int | None = None

    @property
    def is_now(self) -> bool:
        return self.revision is None and self.change is None

    def __str__(self) -> str:
        if self.change is not None:
            return f"C-{self.change}"
        return "" if self.revision is None else str(self.revision)


NOW = AsOf()


def read_as_of(typed: str) -> AsOf:
    """Read `C-142`, `88` or nothing. Raises WrongParameter."""
    text = typed.strip()
    if not text:
        return NOW
    if found := CHANGE.fullmatch(text):
        return AsOf(change=int(found[1]))
    if found := REVISION.fullmatch(text):
        return AsOf(revision=int(found[1]))
    raise WrongParameter(
        f"{text[:40]} is neither a revision nor a change such as C-142.", field="as_of"
    )


def rules_as_of(session: Session, now: datetime, moment: AsOf, scope: Scope = ALL) -> RuleSet:
    """The rule set. A change outside `scope` is not found. Raises NoSuchRevision, NoSuchChange, UnknownHomeserver."""
    if moment.change is None:
        return service.rules_at(session, now, moment.revision)
    return rules_under(session, now, changes.required(session, moment.change, scope))


def rules_under(session: Session, now: datetime, change: Change) -> RuleSet:
    """The rules that are in force once this change is applied; of an applied one, its revision's."""
    if change.revision is not None:
        return service.rules_at(session, now, change.revision)
    return RuleSet.compile(lines.load_after(session, change), revision=change.base + 1, at=now)


def load_rules(session: Session, moment: AsOf, scope: Scope = ALL) -> list[Rule]:
    """All rules then that lie within `scope`, in no order. Raises NoSuchRevision, NoSuchChange."""
    if moment.change is None:
        number = rules.current_number(session)
        if moment.revision is not None:
            number = service.required(session, moment.revision)
        found = rules.load(session, number)
    else:
        change = changes.required(session, moment.change, scope)
        if change.revision is not None:
            found = rules.load(session, change.revision)
        else:
            found = lines.load_after(session, change)
    return [
        rule
        for rule in found
        if scope.covers(homeserver=rule.homeserver, organisation=rule.organisation or None)
    ]
