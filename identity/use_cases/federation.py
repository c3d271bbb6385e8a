"""A whole federation at once: the homeservers that are missing, and the rules, in one revision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rules import Rule
from identity.storage import homeservers
from identity.vault import Vault

from . import homeserver_changes, rule_changes
from .homeserver_changes import NewHomeserver
from .rule_changes import Difference


@dataclass(frozen=True)
class Put:
    """What became of it. `revision` is the one in force afterwards."""

    homeservers: tuple[str, ...]
    difference: Difference
    revision: int


def put(
    session: Session,
    vault: Vault,
    now: datetime,
    *,
    servers: Sequence[NewHomeserver],
    rules: Iterable[Rule],
    author: str,
    reason: str,
) -> Put:
    """Add the homeservers there are not yet, change none that is, and publish what differs.

    Raises WrongHomeserver, UnknownHomeserver, BaseMoved.
    """
    missing = [server for server in servers if homeservers.find(session, server.name) is None]
    for server in missing:
        homeserver_changes.add(session, vault, now, server)
    difference = rule_changes.compare(session, put=rules)
    revision = rule_changes.publish(session, now, difference, author=author, reason=reason)
    return Put(tuple(server.name for server in missing), difference, revision)
