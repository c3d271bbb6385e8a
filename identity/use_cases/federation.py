"""A whole federation at once: the homeservers that are missing, and the rules, in one revision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rules import Rule
from identity.storage import homeservers
from identity.storage.journal import Who
from identity.vault import PublicHalf

from . import drafts, homeserver_changes, rule_changes
from .drafts import Draft
from .homeserver_changes import NewHomeserver
from .impact import Follow, Impact
from .rule_changes import Difference


@dataclass(frozen=True)
class Put:
    """What became of it. `revision` is the one in force afterwards."""

    homeservers: tuple[str, ...]
    draft: Draft
    revision: int

    @property
    def difference(self) -> Difference:
        return self.draft.difference

    @property
    def impact(self) -> Impact:
        return self.draft.impact


def put(
    session: Session,
    public: PublicHalf,
    now: datetime,
    *,
    servers: Sequence[NewHomeserver],
    rules: Iterable[Rule],
    who: Who,
    base: int | None = None,
    may_move_accounts: bool = False,
    follow: Follow | None = None,
) -> Put:
    """Add the homeservers there are not yet, change none that is, and publish what differs.

    Raises WrongHomeserver, UnknownHomeserver, BaseMoved, MovesAccounts.
    """
    missing = [server for server in servers if homeservers.find(session, server.name) is None]
    for server in missing:
        homeserver_changes.add(session, public, now, server, who)
    draft = drafts.check(session, now, rule_changes.compare(session, put=rules), follow)
    revision = drafts.publish(
        session, now, draft, who, base=base, may_move_accounts=may_move_accounts
    )
    return Put(tuple(server.name for server in missing), draft, revision)
