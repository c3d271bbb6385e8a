"""The two feeds for our modules in homeservers: the rules, and the agents of mixed homeservers.

Both are numbered within an epoch. A module never goes back to a lower number of the same epoch.
A mixed homeserver (`class_source` "by_person") has both agents and guests.
"""

import hashlib
import json
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain_rules import wire_format
from domain_rules.rule import Rule
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.accounts import (
    agents as agents_feed,
    classes as account_classes,
    feed_state,
    verified_addresses,
)
from identity.accounts.feed_state import FeedState
from identity.homeservers import models as homeservers
from identity.keys import models as signing_keys
from identity.routing import models as stored_rules

DIGEST = 16  # hexadecimal digits
MAX_DIGITS = 15  # of a number in a tag
BY_PERSON = "by_person"


@dataclass(frozen=True)
class Lines:
    """The rules as JSON without the outer braces, and their digest."""

    text: bytes
    digest: str


@dataclass(frozen=True)
class Answer:
    """A JSON body, its number, and its ETag: `epoch.number`, for the rules with a digest."""

    body: bytes
    number: int
    tag: str


@dataclass
class _Revision:
    """One revision as each homeserver reads it: a protected one sees its addresses as its own."""

    number: int
    protected: frozenset[str]
    lines: dict[str, Lines]


class RulesFeed:
    """Caches the newest revision as it is sent; one for each process."""

    def __init__(self) -> None:
        self._held: _Revision | None = None
        self._making = threading.Lock()

    def answer(
        self,
        session: Session,
        state: FeedState,
        *,
        homeserver: str,
        names: Collection[str],
        paused: Sequence[str] = (),
    ) -> Answer:
        """The rules for this homeserver.

        `names`: of the identity server. `paused`: users of the homeserver who may not invite guests
        at present.
        """
        number = stored_rules.current_number(session)
        lines = self._lines(session, number, homeserver)
        head = _head(session, homeserver, names)
        head["epoch"], head["revision"] = state.epoch, number
        head["paused_inviters"] = list(paused)
        before = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
        digest = hashlib.sha256(before + lines.digest.encode()).hexdigest()[:DIGEST]
        body = b"%s,%s}" % (before[:-1], lines.text)
        return Answer(body, number, f"{state.epoch}.{number}.{digest}")

    def _lines(self, session: Session, number: int, homeserver: str) -> Lines:
        with self._making:
            held, found = self._held, None
            if held is None or held.number != number:
                found = stored_rules.load(session, number)
                protected = {rule.protected_homeserver for rule in found}
                held = self._held = _Revision(number, frozenset(filter(None, protected)), {})
            seen_by = homeserver if homeserver in held.protected else ""
            kept = held.lines.get(seen_by)
            if kept is None:
                found = stored_rules.load(session, number) if found is None else found
                kept = held.lines[seen_by] = _lines(found, seen_by)
            return kept


def is_behind(state: FeedState, number: int, tag: str) -> bool:
    """Whether a module with this tag has a higher number of this epoch: a backup was restored."""
    known = _number_in(tag, state.epoch)
    return known is not None and known > number


def find_held(made: Answer, tags: Collection[str], sent: int | None) -> int:
    """The revision of the rules that a module has once it was answered.

    `tags`: what it says it has. `sent`: the revision that it was answered with before. It has what
    it is sent now, unless it was sent that before and still names an older one: then it did not
    take it, or the answer was lost, and what it names counts.
    """
    epoch = made.tag.partition(".")[0]
    named = [number for tag in tags if (number := _number_in(tag, epoch)) is not None]
    if made.tag in tags or not named or sent is None or sent < made.number:
        return made.number
    return min(max(named), made.number)


def _number_in(tag: str, epoch: str) -> int | None:
    """The number in a tag of this epoch; None for any other text."""
    of, _, rest = tag.partition(".")
    number = rest.partition(".")[0]
    is_number = number.isascii() and number.isdecimal() and len(number) <= MAX_DIGITS
    return int(number) if of == epoch and is_number else None


def begin_epoch(session: Session, state: FeedState) -> FeedState:
    """Begin a new epoch, in which modules accept any number."""
    feed_state.begin_epoch(session, after=state.epoch)
    return feed_state.lock_state(session)


def needs_classification(session: Session, rules: RuleSet, now: datetime) -> bool:
    """Whether the class of some users may have changed since the feed was updated."""
    state = feed_state.find_state(session)
    return (
        state is None
        or _is_outdated(state, _basis(session, rules), now)
        or agents_feed.is_any_to_be_classified(session)
    )


def classify_agents(session: Session, rules: RuleSet, now: datetime) -> None:
    """Update the feed of agents after changes of addresses, rules or kinds of homeservers."""
    state = feed_state.lock_state(session)
    if rules.revision < _revision(state.judged_by):
        # Another process used a newer revision; this process's cache may be a second old.
        rules = stored_rules.load_rule_set(session, at=now)
    waiting = agents_feed.lock_to_be_classified(session)
    names = _mixed_homeservers(session)
    basis = _basis(session, rules)
    if _is_outdated(state, basis, now):
        published = agents_feed.published_agents(session)
        pairs = verified_addresses.on_homeservers(session, names)
    else:
        published = agents_feed.published_agents_among(session, waiting)
        pairs = (
            (user_id, address)
            for user_id in waiting
            for address in verified_addresses.addresses_of(session, user_id)
        )
    agents = _agents(rules, names, pairs)
    if agents != published:
        state.number += 1
        agents_feed.publish(session, agents - published, number=state.number, is_agent=True)
        agents_feed.publish(session, published - agents, number=state.number, is_agent=False)
    agents_feed.mark_classified(session, waiting)
    state.judged_by, state.judged_until = basis, rules.changes_at


def agents_since(session: Session, state: FeedState, since: int) -> Answer:
    """The changes for a module that has everything up to the number `since`.

    For 0, or for a number not reached yet, the answer has all agents (`complete`) and replaces what
    the module has.
    """
    complete = since == 0 or since > state.number
    found = agents_feed.changes_since(session, 0 if complete else since)
    facts = {
        "version": wire_format.VERSION,
        "epoch": state.epoch,
        "number": state.number,
        "added": [user_id for user_id, is_agent in found if is_agent],
        "removed": [user_id for user_id, is_agent in found if not is_agent],
        "complete": complete,
    }
    # The tag has the number only: with everything up to it there is no news, whatever `since` was.
    return Answer(json.dumps(facts).encode(), state.number, f"{state.epoch}.{state.number}")


def _head(session: Session, homeserver: str, names: Collection[str]) -> dict[str, Any]:
    every = homeservers.find_all(session)
    own = next(each for each in every if each.name == homeserver)
    return {
        "homeserver": {
            "name": own.name,
            "class_source": own.class_source,
            "user_id_scheme": own.user_id_scheme,
        },
        "homeservers": {each.name: {"class_source": each.class_source} for each in every},
        "identity_server": {
            "names": sorted(set(names)),
            "public_keys": {key.key_id: key.public_key for key in signing_keys.find_all(session)},
        },
    }


def _lines(rules: Iterable[Rule], protected: str = "") -> Lines:
    entries = [wire_format.write_rule(rule, protected=protected) for rule in rules]
    entries.sort(
        key=lambda entry: [entry.get(name, "") for name in ("kind", "pattern", "valid_from")]
    )
    facts = {"version": wire_format.VERSION, "rules": entries}
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()[1:-1]
    return Lines(text, hashlib.sha256(text).hexdigest())


def _agents(rules: RuleSet, names: Collection[str], pairs: Iterable[tuple[str, str]]) -> set[str]:
    return {
        user_id
        for user_id, address in pairs
        if homeserver_of(user_id) in names and account_classes.has_agents_address(rules, [address])
    }


def _mixed_homeservers(session: Session) -> list[str]:
    return [each.name for each in homeservers.find_all(session) if each.class_source == BY_PERSON]


def _basis(session: Session, rules: RuleSet) -> str:
    return " ".join([str(rules.revision), *_mixed_homeservers(session)])


def _revision(basis: str) -> int:
    return int(basis.partition(" ")[0] or 0)


def _is_outdated(state: FeedState, basis: str, now: datetime) -> bool:
    is_over = state.judged_until is not None and now >= state.judged_until
    return is_over or (basis != state.judged_by and _revision(basis) >= _revision(state.judged_by))
