"""Rules in the bodies of calls, as `GET /rules` tells them; patterns are read as people type them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, InvalidRule, Rule, RuleKind
from identity.homeservers import changing as homeservers
from identity.problems import UnknownHomeserver, WrongParameter
from identity.rule_changes.service import Key as RuleKey
from identity.web.json_body import Body, Text

from . import frame, reading

MAX_TEXT = 500  # characters
MOST_MOVES = 10
NAME = Field(default=None, max_length=255)


class Key(Body):
    """Which rule: its kind and pattern. Unknown fields are refused, as in each body here."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["address", "domain", "suffix", "default"]
    pattern: Text | None = Field(default=None, max_length=MAX_TEXT)


class RuleBody(Key):
    """A rule. A domain that is not open has `sibling_of` in place of a homeserver.

    `since_revision` is told of rules in force, and not read.
    """

    account_class: Literal["agent", "guest"] = "agent"
    homeserver: Text | None = NAME
    protected_homeserver: Text | None = NAME
    requires_invite: bool = False
    organisation: Text = Field(default="", max_length=MAX_TEXT)
    sibling_of: Text | None = NAME
    moved_from: list[Text] = Field(default=[], max_length=MOST_MOVES)
    moving_until: Text | None = NAME
    note: Text = Field(default="", max_length=MAX_TEXT)
    valid_from: Text | None = NAME
    valid_until: Text | None = NAME
    extra_signs: Text = Field(default="", max_length=10)
    since_revision: int | None = None


def read_rules(session: Session, given: Iterable[RuleBody]) -> list[Rule]:
    """The rules. Raises WrongParameter with the field, also for an unknown homeserver."""
    found = [_read_numbered(number, each) for number, each in enumerate(given)]
    _check_once([(rule.kind, rule.pattern) for rule in found], "put")
    for name in {rule.homeserver for rule in found} | {rule.protected_homeserver for rule in found}:
        _check_homeserver(session, name)
    return found


def read_keys(given: Iterable[Key]) -> list[RuleKey]:
    """Kinds and patterns. Raises WrongParameter with the field."""
    found = [read_key(each) for each in given]
    _check_once(found, "remove")
    return found


def read_key(given: Key) -> RuleKey:
    """Kind and canonical pattern. Raises WrongParameter with the field."""
    kind, typed = RuleKind(given.kind), given.pattern or ""
    if kind is RuleKind.DEFAULT:
        if typed:
            raise frame.wrong("pattern", "The default rule has no pattern.")
        return kind, ""
    if kind is not RuleKind.ADDRESS:
        return kind, reading.domain("pattern", typed)
    try:
        return kind, EmailAddress.parse(typed, smtputf8=True).canonical
    except InvalidAddress as error:
        raise frame.wrong("pattern", f"This is not an address: {error}") from None


def _read_numbered(number: int, given: RuleBody) -> Rule:
    """The rule. What is wrong with it names its place: there may be a thousand."""
    try:
        return _read_rule(given)
    except WrongParameter as problem:
        placed = WrongParameter(f"put[{number}]: {problem}")
        placed.further = problem.further
        raise placed from None


def _read_rule(given: RuleBody) -> Rule:
    kind, pattern = read_key(given)
    sibling = reading.domain("sibling_of", given.sibling_of) if given.sibling_of else None
    if sibling == pattern:
        raise frame.wrong("sibling_of", "A domain cannot be its own sibling.")
    try:
        return Rule(
            kind,
            pattern,
            AccountClass(given.account_class),
            given.homeserver,
            requires_invite=given.requires_invite,
            protected_homeserver=given.protected_homeserver,
            organisation=given.organisation,
            sibling_of=sibling,
            moved_from=tuple(given.moved_from),
            moving_until=_moment("moving_until", given.moving_until),
            note=given.note,
            valid_from=_moment("valid_from", given.valid_from),
            valid_until=_moment("valid_until", given.valid_until),
            extra_signs=given.extra_signs,
        )
    except InvalidRule as error:
        raise frame.wrong("put", f"{error}.") from None


def _moment(field: str, text: str | None) -> datetime | None:
    return reading.moment(field, text) if text else None


def _check_once(keys: list[RuleKey], field: str) -> None:
    if len(set(keys)) < len(keys):
        raise frame.wrong(field, "One pattern stands twice.")


def _check_homeserver(session: Session, name: str | None) -> None:
    if name is None:
        return
    try:
        homeservers.find(session, name)
    except UnknownHomeserver as problem:
        raise frame.wrong("homeserver", str(problem)) from None
