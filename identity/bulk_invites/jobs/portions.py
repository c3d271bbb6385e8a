"""Rows of lists in portions: prepared together, placed one after the other, settled together.

As mails are, see `mail/jobs/batches.py`. Together are the rows that nothing hinders; each other one
goes by itself, see `rows.send_row`. Just before a row is placed its attempt begins, if it still waits
and nothing was stopped, frozen, blocked or erased meanwhile. A worker that is killed leaves rows that
may be placed already: placing one again changes nothing.
"""

import logging
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, Update, bindparam, exists, func, true
from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_of
from identity.accounts import classes as account_classes
from identity.bulk_invites import models as bulk_invites, sending
from identity.bulk_invites.models import BulkInvite, BulkInviteRow, Step
from identity.core import reservations
from identity.core.address_domains import domain_of
from identity.core.database import UtcDateTime
from identity.core.outbox import Job
from identity.freezes import models as freezes
from identity.homeservers import models as homeservers, standing as homeserver_standing
from identity.homeservers.models import Homeserver
from identity.homeservers.room_actions import RoomActions
from identity.invitations import block_models as inviter_blocks, models as invitations
from identity.mail import models as mails
from identity.services import Services

from . import rows
from .rows import Prepared

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ready:
    """A row that can be placed now."""

    job: Job
    homeserver: Homeserver
    prepared: Prepared

    @property
    def row(self) -> BulkInviteRow:
        return self.prepared.row


@dataclass(frozen=True)
class Handed:
    """A row that its room holds; it is not settled yet."""

    ready: Ready
    is_member: bool


BEGINNING: Final = reservations.BEGINNING.where(
    exists().where(
        BulkInviteRow.id == bindparam("of_row"),
        BulkInviteRow.step == Step.WAITING,
        ~freezes.holds_invitation(
            bindparam("moment", type_=UtcDateTime), domain_of(BulkInviteRow.address)
        ),
    ),
    ~inviter_blocks.holds(bindparam("moment", type_=UtcDateTime), bindparam("sender")),
    homeserver_standing.is_reachable_in_sql(
        bindparam("moment", type_=UtcDateTime), bindparam("at_homeserver")
    ),
)
STILL_STORED: Final = BEGINNING.where(
    exists().where(
        invitations.ThirdPartyInvitation.id == bindparam("of_invitation"),
        invitations.is_live(bindparam("moment", type_=UtcDateTime)),
    )
)
"""The same for a row with an invitation, which nobody revoked meanwhile."""


class Portion:
    """The rows that a worker sends together; closed at its end."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lines: dict[str, RoomActions] = {}
        self._open = ExitStack()

    def close(self) -> None:
        """Close the connections to homeservers."""
        self._lines.clear()
        self._open.close()

    def prepare(self, reserved: Sequence[Job]) -> list[Ready]:
        """Store the invitations of these rows, as far as nothing hinders them."""
        try:
            with self._services.database.transaction() as session:
                return _store(self._services, session, reserved)
        except Exception as error:  # noqa: BLE001  of one of them, or a deadlock: its own try says
            log.warning("a portion of a list goes row by row: %s", type(error).__name__)
            return []

    def begin(
        self,
        connection: Connection,
        now: datetime,
        ready: Ready,
        before: Handed | None,  # noqa: ARG002  of mails alone
    ) -> bool:
        """Begin to place a row. False if that must not be now."""
        facts = reservations.facts_of(ready.job, now)
        facts |= {"of_row": ready.row.id, "moment": now, "sender": ready.prepared.bulk_invite.owner}
        facts |= {"at_homeserver": ready.homeserver.name}
        statement: Update = BEGINNING
        if ready.row.invitation_id is not None:
            statement, facts["of_invitation"] = STILL_STORED, ready.row.invitation_id
        with connection.begin():
            if connection.dialect.name == "postgresql":
                # Not waited for until it is on the disk: placing a row again changes nothing.
                is_begun = connection.scalar(_at_once(statement), facts) is not None
            else:
                is_begun = connection.execute(statement, facts).rowcount > 0
        if is_begun:
            reservations.note_begun(ready.job, now)
        return is_begun

    def hand_over(self, ready: Ready) -> Handed:
        """Ask the homeserver to place it. Raises Later or GiveUp."""
        try:
            line = partial(self._line_to, ready.homeserver)
            is_member = rows.place(self._services, line, ready.job, ready.prepared)
        except BaseException:
            self.close()  # so that the breaker learns of it before the next one
            raise
        return Handed(ready, is_member)

    def settle(self, handed: Sequence[Handed]) -> None:
        """Record that the rooms hold these rows, and what follows, in one transaction.

        Where that fails, as in a deadlock, one after the other. Raises the last failure.
        """
        if not handed:
            return
        try:
            self._settle(handed)
        except Exception:  # noqa: BLE001  it is raised again if it was not for being together
            failure: Exception | None = None
            for each in handed:
                try:
                    self._settle([each])
                except Exception as error:  # noqa: BLE001  raised below
                    failure = error
            if failure is not None:
                raise failure from None

    def _settle(self, handed: Sequence[Handed]) -> None:
        services = self._services
        with services.database.transaction() as session:
            now = services.now()
            ours = reservations.settle(session, now, [each.ready.job for each in handed])
            mine = [each for each in handed if each.ready.job.id in ours]
            of_list: dict[uuid.UUID, dict[uuid.UUID, bool]] = {}
            for each in mine:
                row = each.ready.row
                of_list.setdefault(row.list_id, {})[row.id] = each.is_member
            for list_id, placed in sorted(of_list.items()):
                sending.record_placed(session, now, list_id, placed, services.hashes)

    def _line_to(self, homeserver: Homeserver) -> RoomActions:
        if homeserver.name not in self._lines:
            self.close()  # one at a time: each holds a place for calls of this process
            room_actions = self._services.room_actions_for(homeserver)
            line = self._open.enter_context(room_actions.at_once())
            self._lines[homeserver.name] = line
        return self._lines[homeserver.name]


@cache
def _at_once(statement: Update) -> Update:
    unwritten = func.set_config("synchronous_commit", "off", true()) == "off"
    return statement.where(unwritten).returning(Job.id)


def _store(services: Services, session: Session, reserved: Sequence[Job]) -> list[Ready]:
    job_of = {job.subject_id: job for job in reserved}
    # A row whose mailbox somebody has locked goes by itself: those of others wait for nobody.
    named = bulk_invites.find_rows(session, job_of)
    free = mails.lock_free(session, [row.address for row in named if row.address])
    # Under the locks: of who is erased nothing is stored any more.
    found = [
        row
        for row in bulk_invites.find_rows(session, job_of)
        if row.step == Step.WAITING and row.address in free
    ]
    # One to each mailbox: what follows from the first is asked for the next one.
    usual = {mails.mailbox_of(row.address or ""): row for row in reversed(found)}.values()
    ready: list[Ready] = []
    for list_id, group in groupby(
        sorted(usual, key=lambda row: row.list_id), lambda row: row.list_id
    ):
        bulk_invite = session.get_one(BulkInvite, list_id)
        ready += _ready(services, session, bulk_invite, list(group), job_of)
    order = {job.id: place for place, job in enumerate(reserved)}
    ready.sort(key=lambda each: order[each.job.id])
    # Those of one homeserver go together, over one connection.
    first = {each.homeserver.name: order[each.job.id] for each in reversed(ready)}
    return sorted(ready, key=lambda each: first[each.homeserver.name])


def _ready(
    services: Services,
    session: Session,
    bulk_invite: BulkInvite,
    waiting: Sequence[BulkInviteRow],
    job_of: dict[uuid.UUID, Job],
) -> list[Ready]:
    """Those rows of a list that nothing hinders."""
    now, rules = services.now(), services.rules.current()
    homeserver = homeservers.find(session, homeserver_of(bulk_invite.owner))
    if (
        homeserver is None
        or not homeserver_standing.is_reachable(homeserver, now)
        or not account_classes.is_agent(session, rules, bulk_invite.owner)
    ):
        return []
    placings = sending.prepare_rows(
        session,
        rules,
        now,
        bulk_invite=bulk_invite,
        rows=waiting,
        vault=services.vault,
        public_url=services.settings.public_url,
    )
    return [
        Ready(job_of[row.id], homeserver, Prepared(bulk_invite, row, placings[row.id]))
        for row in waiting
        if row.id in placings
    ]
