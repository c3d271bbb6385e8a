"""Renews link keys and storage keys: nothing is made with a key that a running process lacks.

Each step gives the new list, and writes the journal; the caller writes the list where it belongs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import journal, key_uses
from identity.core.journal import Actor
from identity.problems import Problem

from .key_sets import AlreadyInUse, AmbiguousKey, Keys


class NotYet(Problem):
    """This step would break something now. The message says what, and what to do first."""


@dataclass(frozen=True)
class NodeKeys:
    """The keys that a running process has: fingerprints by list, the one in use last."""

    name: str
    keys: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class KnownKey:
    """One key of a list, for people: `lacking` and `using` name running processes."""

    fingerprint: str
    is_active: bool
    was_active: bool
    lacking: Sequence[str]
    using: Sequence[str]


def describe(session: Session, keys: Keys, nodes: Sequence[NodeKeys]) -> list[KnownKey]:
    """The keys of a list in their order."""
    return [
        KnownKey(
            each,
            is_active=each == keys.active,
            was_active=key_uses.was_active(session, keys.key_set, each),
            lacking=_lacking(nodes, keys, each),
            using=_using(nodes, keys, each),
        )
        for each in keys.fingerprints
    ]


def stage(session: Session, now: datetime, who: Actor, keys: Keys, key: str) -> Keys:
    """Add a new key, known but not in use."""
    staged = keys.staged(key)
    _write(session, now, who, "keys.stage", keys=staged, which=_only_in(staged, keys))
    return staged


def activate(
    session: Session,
    now: datetime,
    who: Actor,
    keys: Keys,
    *,
    which: str | None,
    nodes: Sequence[NodeKeys],
) -> Keys:
    """Bring a key into use, by default the one that never was.

    Raises NotYet while a running process lacks it, AlreadyInUse, AmbiguousKey and
    UnknownFingerprint.
    """
    if which is None:
        which = _only(
            [
                each
                for each in keys.fingerprints
                if each != keys.active and not key_uses.was_active(session, keys.key_set, each)
            ],
            "is staged",
        )
    changed = keys.activated(which)
    if changed == keys:
        raise AlreadyInUse
    if lacking := _lacking(nodes, keys, which):
        raise NotYet(
            f"{which} is not known yet to {', '.join(lacking)}: what is made with it would not be "
            "understood there. Give it the same keys, restart it, and run this again"
        )
    _write(session, now, who, "keys.activate", keys=changed, which=which)
    return changed


def retire(
    session: Session,
    now: datetime,
    who: Actor,
    keys: Keys,
    *,
    which: str | None,
    nodes: Sequence[NodeKeys],
    needed: Sequence[str],
) -> Keys:
    """Take an old key out, by default the only one that was in use before.

    `needed`: what needs it still, as `maintenance.keys_in_use` found. Raises NotYet if there is
    anything, or a running process still makes things with it; KeyInUse, AmbiguousKey and
    UnknownFingerprint.
    """
    changed = keys.retired(which if which is not None else old_key(keys))
    gone = _only_in(keys, changed)
    if using := _using(nodes, keys, gone):
        raise NotYet(f"{gone} is in use at {', '.join(using)}: restart it, and run this again")
    if needed:
        raise NotYet("\n".join(needed))
    _write(session, now, who, "keys.retire", keys=changed, which=gone)
    return changed


def old_key(keys: Keys) -> str:
    """The one key that is not in use. Raises AmbiguousKey if there is none, or several."""
    return _only(list(keys.fingerprints[:-1]), "stands beside the one in use")


def _only(found: Sequence[str], what: str) -> str:
    if not found:
        raise AmbiguousKey(f"No key {what}. guichet keys stage makes one.")
    if len(found) > 1:
        raise AmbiguousKey(f"More than one key {what}: name one of {', '.join(found)}.")
    return found[0]


def _only_in(these: Keys, others: Keys) -> str:
    known = set(others.fingerprints)
    return next((each for each in these.fingerprints if each not in known), these.active)


def _lacking(nodes: Sequence[NodeKeys], keys: Keys, which: str) -> list[str]:
    return [node.name for node in nodes if which not in node.keys.get(keys.key_set, ())]


def _using(nodes: Sequence[NodeKeys], keys: Keys, which: str) -> list[str]:
    return [node.name for node in nodes if list(node.keys.get(keys.key_set, ()))[-1:] == [which]]


def _write(
    session: Session, now: datetime, who: Actor, action: str, *, keys: Keys, which: str
) -> None:
    facts = {"list": keys.key_set, "active": keys.active, "known": list(keys.fingerprints)}
    journal.write(session, now, who, action=action, subject=which, facts=facts)
