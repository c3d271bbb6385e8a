"""A whole federation at once: the homeservers that are missing, and the rules, in one revision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rules import Rule
from identity.core.journal import Who
from identity.core.sealing import PublicHalf
from identity.homeservers import models as homeservers
from identity.homeservers import service as homeserver_changes
from identity.homeservers.service import NewHomeserver

from . import drafts
from . import service as rule_changes
from .drafts import Draft
from .impact import Follow, Impact
from .service import Difference


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


def import_federation(
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
