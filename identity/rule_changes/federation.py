"""Importing a federation: add the missing homeservers, and publish the rules in one revision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.rule import Rule
from identity.core.journal import Actor
from identity.core.sealing import PublicHalf
from identity.homeservers import models as homeservers, service as homeserver_changes
from identity.homeservers.service import NewHomeserver

from . import drafts, service as rule_changes
from .drafts import Draft
from .impact import ShowProgress
from .service import Difference


@dataclass(frozen=True)
class ImportResult:
    """The added homeservers, the draft, and the revision in force afterwards."""

    homeservers: tuple[str, ...]
    draft: Draft
    revision: int

    @property
    def difference(self) -> Difference:
        return self.draft.difference


def import_federation(
    session: Session,
    public: PublicHalf,
    now: datetime,
    *,
    servers: Sequence[NewHomeserver],
    rules: Iterable[Rule],
    who: Actor,
    base: int | None = None,
    may_move_accounts: bool = False,
    follow: ShowProgress | None = None,
) -> ImportResult:
    """Add the homeservers that are not registered, change no other, and publish the difference.

    Raises WrongHomeserver, UnknownHomeserver, BaseMoved, MovesAccounts.
    """
    missing = [server for server in servers if homeservers.find(session, server.name) is None]
    for server in missing:
        homeserver_changes.register(session, public, now, server, who)
    draft = drafts.make_draft(session, now, rule_changes.compare(session, put=rules), follow)
    revision = drafts.publish(
        session, now, draft, who, base=base, may_move_accounts=may_move_accounts
    )
    return ImportResult(tuple(server.name for server in missing), draft, revision)
