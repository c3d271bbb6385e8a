"""What waits for one operator: what their role can settle, counted up to a bound, with its age.

One statement for all of it, and every part by an index: the first screen of the console stays fast,
however large the tables are.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from identity.core import paging
from identity.core.address_domains import domain_of
from identity.domain_requests.models import DomainRequest
from identity.domain_requests.views import which_wait
from identity.freezes.models import Freeze
from identity.homeservers import health_models
from identity.homeservers.credentials import HomeserverCredential
from identity.homeservers.health_models import HomeserverHealth
from identity.homeservers.models import Homeserver
from identity.homeservers.module_models import HomeserverModule
from identity.invitations.block_models import InviterBlock
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.keys.models import StoredKey
from identity.mail.models import Mail, MailState
from identity.operators.models import AdminToken
from identity.operators.roles import Deed, Role, Scope, may
from identity.rule_changes import changes, scopes
from identity.rule_changes.change_models import Change, ChangeState

from .scoping import homeservers_within

MOST: Final = 99
"""A count goes no further: people read "99+"."""
GAVE_UP_FOR: Final = timedelta(days=7)  # mails that were given up are shown for so long
ENDING: Final = timedelta(days=14)
SILENT: Final = timedelta(minutes=2)  # a module asks each 20 s; that is written down each minute
LOOKED: Final = timedelta(minutes=15)  # the worker looks at each homeserver more often
KEY_AGE: Final = timedelta(days=365)
DECISIONS: Final = {
    "requests": ("requests",),
    "changes": ("changes_to_approve", "changes_to_review", "changes_to_mend"),
}
"""The kinds that wait for a decision, by the screen where it is taken."""
NAMED: Final = 5
"""So many homeservers or domains of one kind are named."""


@dataclass(frozen=True)
class Viewer:
    """For whom: an operator's roles and scope."""

    operator_id: uuid.UUID
    roles: frozenset[Role]
    scope: Scope


@dataclass(frozen=True)
class Waiting:
    """One kind of thing that waits. `count`: MOST + 1 for more. `path`: the screen to settle it."""

    kind: str
    count: int
    oldest: datetime
    path: str


@dataclass(frozen=True)
class Named:
    """A homeserver or domain with what waits of it. `count`: MOST + 1 for more."""

    name: str
    count: int
    oldest: datetime


@dataclass(frozen=True)
class Part:
    """One kind: whose deed settles it, on which screen, what is counted, and by which name."""

    kind: str
    deed: Deed
    path: str
    at: InstrumentedAttribute[Any]
    which: tuple[ColumnElement[bool], ...]
    name: ColumnElement[str] | None = None
    by: InstrumentedAttribute[Any] | None = None

    @property
    def order(self) -> InstrumentedAttribute[Any]:
        """By which some are taken: `at`, unless the index that finds them has another moment."""
        return self.at if self.by is None else self.by


def find(session: Session, now: datetime, viewer: Viewer) -> tuple[list[Waiting], int]:
    """What waits for this operator, and how many kinds of thing were looked at."""
    parts = [part for part in _parts(now, viewer) if may(viewer.roles, part.deed)]
    return _counted(session, parts), len(parts)


def find_decisions(session: Session, now: datetime, viewer: Viewer) -> list[Waiting]:
    """What waits for a decision of this operator: requests and changes. At most one statement."""
    return _counted(
        session, [part for part in _decisions(now, viewer) if may(viewer.roles, part.deed)]
    )


def find_names(
    session: Session, now: datetime, viewer: Viewer, waiting: Iterable[Waiting]
) -> dict[str, list[Named]]:
    """Which homeservers or domains it is, by kind: those with most first, at most NAMED + 1 each.

    `waiting`: as `find` told; what has no names is left out. At most one statement.
    """
    kinds = {each.kind for each in waiting}
    wanted = [
        _names(part, part.name)
        for part in _parts(now, viewer)
        if part.kind in kinds and part.name is not None
    ]
    if not wanted:
        return {}
    names: dict[str, list[Named]] = {}
    for kind, name, count, oldest in session.execute(union_all(*wanted)):
        names.setdefault(kind, []).append(Named(name, count, oldest))
    return {
        kind: sorted(found, key=lambda each: (-each.count, each.name))
        for kind, found in names.items()
    }


def _counted(session: Session, parts: Sequence[Part]) -> list[Waiting]:
    if not parts:
        return []
    found = session.execute(union_all(*(_count(part) for part in parts)))
    counted = {kind: (count, oldest) for kind, oldest, count in found}
    return [
        Waiting(part.kind, *counted[part.kind], path=part.path)
        for part in parts
        if counted[part.kind][0]
    ]


def _decisions(now: datetime, viewer: Viewer) -> Iterator[Part]:
    asked, undecided = DomainRequest.created_at, which_wait(now, viewer.scope)
    yield Part("requests", Deed.DRAFT, "/admin/requests", asked, undecided)
    yield from _changes(viewer)


def _parts(now: datetime, viewer: Viewer) -> Iterator[Part]:
    yield from _decisions(now, viewer)
    if viewer.scope.is_all:
        # Whose they are is not stored with them, so they cannot be told apart by a scope.
        yield from _deliveries(now)
        in_force = or_(InviterBlock.until.is_(None), InviterBlock.until > now)
        yield Part(
            "inviters_paused", Deed.FREEZE, "/admin/incidents", InviterBlock.since, (in_force,)
        )
    yield from _homeservers(now, viewer.scope)
    frozen = or_(Freeze.until.is_(None), Freeze.until > now)
    yield Part("freezes", Deed.THAW, "/admin/incidents", Freeze.since, (frozen,))
    token, end = AdminToken, now + ENDING
    ending = (token.ended_at.is_(None), token.ends_at > now, token.ends_at < end)
    yield Part("tokens_ending", Deed.MANAGE_ACCESS, "/admin/access", token.ends_at, ending)


def _changes(viewer: Viewer) -> Iterator[Part]:
    change, here = Change, scopes.is_within(viewer.scope)
    by_others = or_(change.author_id.is_(None), change.author_id != viewer.operator_id)
    proposed = (change.state == ChangeState.PROPOSED, by_others, here)
    path = "/admin/changes"
    yield Part("changes_to_approve", Deed.APPROVE, path, change.proposed_at, proposed)
    by_another = or_(change.applied_by_id.is_(None), change.applied_by_id != viewer.operator_id)
    review = (*changes.is_review_due(), by_another, here)
    yield Part("changes_to_review", Deed.APPROVE, path, change.broken_glass_at, review)
    back = (ChangeState.STALE, ChangeState.RETURNED, ChangeState.FAILED)
    mine = (change.state.in_(back), change.author_id == viewer.operator_id)
    yield Part("changes_to_mend", Deed.DRAFT, path, change.changed_at, mine)


def _deliveries(now: datetime) -> Iterator[Part]:
    row = ThirdPartyInvitation
    dead = (row.delivery == Delivery.DEAD,)
    path = "/admin/invitations?delivery=dead"
    yield Part("deliveries_dead", Deed.HANDLE_INVITATION, path, row.created_at, dead)
    given_up = (Mail.state == MailState.GAVE_UP, Mail.ended_at > now - GAVE_UP_FOR)
    path = "/admin/mails?state=gave_up"
    domain = domain_of(Mail.address)
    yield Part(
        "mails_given_up", Deed.HANDLE_MAIL, path, Mail.ended_at, given_up, domain, Mail.created_at
    )


def _homeservers(now: datetime, scope: Scope) -> Iterator[Part]:
    module, path = HomeserverModule, "/admin/homeservers"
    look, within = HomeserverHealth, homeservers_within(scope)
    goes_on = (Homeserver.retired_at.is_(None), within)
    silent = (
        module.heard_at < now - SILENT,
        exists().where(Homeserver.name == module.homeserver, *goes_on),
    )
    yield Part(
        "homeservers_silent",
        Deed.FREEZE,
        path,
        module.heard_at,
        silent,
        module.homeserver.expression,
    )
    away = (
        *(look.milliseconds.is_(None), look.at > now - LOOKED, health_models.is_last()),
        exists().where(Homeserver.name == look.homeserver, *goes_on),
    )
    yield Part("homeservers_away", Deed.FREEZE, path, look.at, away, look.homeserver.expression)
    credential, end = HomeserverCredential, now + ENDING
    ending = (credential.retires_at > now, credential.retires_at < end)
    admin = Deed.MANAGE_HOMESERVER
    whose = credential.homeserver.expression
    yield Part("credentials_ending", admin, path, credential.retires_at, ending, whose)
    newest = select(func.max(StoredKey.number)).scalar_subquery()
    old = (StoredKey.number == newest, StoredKey.created_at < now - KEY_AGE)
    yield Part("keys_old", admin, "/admin/health", StoredKey.created_at, old)


def _names(part: Part, name: ColumnElement[str]) -> Select[Any]:
    """(kind, name, count, oldest) of the names with most, among the newest 10,000 of this kind."""
    newest = select(name.label("name"), part.at.label("at")).where(*part.which)
    rows = newest.order_by(part.order.desc()).limit(paging.MOST).subquery()
    count = func.count().label("count")
    named = select(rows.c.name, count, func.min(rows.c.at).label("at")).group_by(rows.c.name)
    most = named.order_by(count.desc(), rows.c.name).limit(NAMED + 1).subquery()
    kind = cast(literal(part.kind), String)
    return select(kind, most.c.name, most.c.count, most.c.at)


def _count(part: Part) -> Select[Any]:
    some = select(part.at.label("at")).where(*part.which).order_by(part.order).limit(MOST + 1)
    rows = some.subquery()
    kind = cast(literal(part.kind), String)
    columns: list[ColumnElement[Any]] = [kind, func.min(rows.c.at), func.count()]
    return select(*columns).select_from(rows)
