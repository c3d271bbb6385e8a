"""What the modules in homeservers decide by: the rules, and the agents of homeservers of both kinds.

Both are numbered within an epoch. A module never goes back to an older number of the same epoch.
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
from domain_rules.rules import Rule, RuleSet
from domain_rules.user_ids import homeserver_of
from identity.accounts import agents as agents_feed
from identity.accounts import classes as account_classes
from identity.accounts import feed_state, verified_addresses
from identity.accounts.feed_state import FeedState
from identity.homeservers import models as homeservers
from identity.keys import models as signing_keys
from identity.routing import models as stored_rules

DIGEST = 16  # characters
BY_PERSON = "by_person"


@dataclass(frozen=True)
class Lines:
    """The rules as they are sent, without the braces around, and what tells them from others."""

    text: bytes
    digest: str


@dataclass(frozen=True)
class Answer:
    """A body, and the tag by which a module asks whether it is still so: `epoch.number`, and what else it is about."""

    body: bytes
    number: int
    tag: str


@dataclass
class _Revision:
    """What one revision looks like to whom. To a protected homeserver its addresses are its own."""

    number: int
    protected: frozenset[str]
    lines: dict[tuple[str, int], Lines]


class RulesFeed:
    """Keeps the newest revision as it is sent: made once in each process, whoever asks."""

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
        version: int,
        paused: Sequence[str] = (),
    ) -> Answer:
        """The rules as this homeserver needs them, in the version its module reads.

        `names`: those of the identity server. `paused`: its users who may not invite guests for now.
        """
        number = stored_rules.current_number(session)
        lines = self._lines(session, number, homeserver, version)
        head = _head(session, homeserver, names)
        head["epoch"], head["revision"] = state.epoch, number
        head["paused_inviters"] = list(paused)
        before = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
        digest = hashlib.sha256(before + lines.digest.encode()).hexdigest()[:DIGEST]
        body = b"%s,%s}" % (before[:-1], lines.text)
        return Answer(body, number, f"{state.epoch}.{number}.{digest}")

    def _lines(self, session: Session, number: int, homeserver: str, version: int) -> Lines:
        with self._making:
            held, found = self._held, None
            if held is None or held.number != number:
                found = stored_rules.load(session, number)
                protected = {rule.protected_homeserver for rule in found}
                held = self._held = _Revision(number, frozenset(filter(None, protected)), {})
            seen_by = homeserver if homeserver in held.protected else ""
            kept = held.lines.get((seen_by, version))
            if kept is None:
                found = stored_rules.load(session, number) if found is None else found
                kept = held.lines[seen_by, version] = _lines(found, version, seen_by)
            return kept


def state(session: Session) -> FeedState | None:
    """What the feeds stand at; None before anybody asked."""
    return feed_state.current(session)


def make_state(session: Session) -> FeedState:
    """The same, made on first need."""
    return feed_state.hold(session)


def is_behind(state: FeedState, number: int, tag: str) -> bool:
    """Whether a module was told more in this epoch than there is: the database was set back since."""
    epoch, _, rest = tag.partition(".")
    told = rest.partition(".")[0]
    return epoch == state.epoch and told.isascii() and told.isdecimal() and int(told) > number


def begin_epoch(session: Session, state: FeedState) -> FeedState:
    """Numbers are counted anew: modules take what they are told next, whatever they have."""
    feed_state.begin_epoch(session, after=state.epoch)
    return feed_state.hold(session)


def needs_judging(session: Session, rules: RuleSet, now: datetime) -> bool:
    """Whether agents may have become guests, or guests agents, since the feed was made."""
    state = feed_state.current(session)
    return (
        state is None
        or _is_outdated(state, _basis(session, rules), now)
        or agents_feed.is_any_to_be_judged(session)
    )


def judge(session: Session, rules: RuleSet, now: datetime) -> None:
    """Number what changed: by an address that came or went, by the rules, by the kind of a homeserver."""
    state = feed_state.hold(session)
    if rules.revision < _revision(state.judged_by):
        # Another process has seen a newer one than this process's cache, which is up to a second old.
        rules = stored_rules.load_rule_set(session, at=now)
    waiting = agents_feed.to_be_judged(session)
    names = _mixed(session)
    basis = _basis(session, rules)
    if _is_outdated(state, basis, now):
        told = agents_feed.agents(session)
        pairs = verified_addresses.on_homeservers(session, names)
    else:
        told = agents_feed.agents_among(session, waiting)
        pairs = (
            (user_id, address)
            for user_id in waiting
            for address in verified_addresses.of_user(session, user_id)
        )
    agents = _agents(rules, names, pairs)
    if agents != told:
        state.number += 1
        agents_feed.tell(session, agents - told, number=state.number, is_agent=True)
        agents_feed.tell(session, told - agents, number=state.number, is_agent=False)
    agents_feed.judged(session, waiting)
    state.judged_by, state.judged_until = basis, rules.changes_at


def agents_since(session: Session, state: FeedState, since: int) -> Answer:
    """Whom this changes for a module that has heard of everything up to `since`.

    From 0, or from a number that is still to come, it is everybody, and takes the place of what it has.
    """
    complete = since == 0 or since > state.number
    found = agents_feed.since(session, 0 if complete else since)
    facts = {
        "version": wire_format.VERSION,
        "epoch": state.epoch,
        "number": state.number,
        "added": [user_id for user_id, is_agent in found if is_agent],
        "removed": [user_id for user_id, is_agent in found if not is_agent],
        "complete": complete,
    }
    # Of this path and number: who has heard of everything up to here has no news, however it was asked for.
    return Answer(json.dumps(facts).encode(), state.number, f"{state.epoch}.{state.number}")


def _head(session: Session, homeserver: str, names: Collection[str]) -> dict[str, Any]:
    every = homeservers.every(session)
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
            "public_keys": {key.key_id: key.public_key for key in signing_keys.every(session)},
        },
    }


def _lines(rules: Iterable[Rule], version: int, protected: str = "") -> Lines:
    entries = [wire_format.written(rule, protected=protected) for rule in rules]
    entries.sort(key=lambda entry: [str(entry.get(name, "")) for name in wire_format.POSITIONS])
    facts: dict[str, Any] = {"version": wire_format.VERSION, "rules": entries}
    if version < wire_format.VERSION:
        # Signs beside the rules, by their place: lines of version 1 have eight values.
        signs = {
            place: entry["extra_signs"]
            for place, entry in enumerate(entries)
            if "extra_signs" in entry
        }
        facts = {
            "rules": [wire_format.by_position(entry) for entry in entries],
            "extra_signs": signs,
        }
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()[1:-1]
    return Lines(text, hashlib.sha256(text).hexdigest())


def _agents(rules: RuleSet, names: Collection[str], pairs: Iterable[tuple[str, str]]) -> set[str]:
    return {
        user_id
        for user_id, address in pairs
        if homeserver_of(user_id) in names and account_classes.has_agents_address(rules, [address])
    }


def _mixed(session: Session) -> list[str]:
    return [each.name for each in homeservers.every(session) if each.class_source == BY_PERSON]


def _basis(session: Session, rules: RuleSet) -> str:
    return " ".join([str(rules.revision), *_mixed(session)])


def _revision(basis: str) -> int:
    return int(basis.partition(" ")[0] or 0)


def _is_outdated(state: FeedState, basis: str, now: datetime) -> bool:
    is_over = state.judged_until is not None and now >= state.judged_until
    return is_over or (basis != state.judged_by and _revision(basis) >= _revision(state.judged_by))
