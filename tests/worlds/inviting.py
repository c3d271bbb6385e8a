"""Invitations as a homeserver stores them, and what becomes of them, on a real database."""

import uuid
from dataclasses import dataclass
from typing import Any

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.core.database import Database
from identity.core.keyed_hashes import KeyedHashes
from identity.core.outbox import Job, JobKind
from identity.homeservers.models import Homeserver
from identity.invitations import (
    history as invitation_events,
    mail_grouping,
    record as invitation_record,
    room_agreement,
    service as invitations,
    states as invitation_states,
    store_invite,
)
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails, results as mail_results
from identity.mail.models import MailState
from identity.mail_kinds import kind_of

ZOE, ADA = "@zoe:education.example", "@ada:education.example"
GIL = "gil@association.example"
ROOM = "!room:education.example"


def stored_in_room(session, rules, now, *, hashes=None, **facts) -> ThirdPartyInvitation:
    """As a homeserver has it stored, and its room takes it."""
    made = store_invite.store(session, rules, now, **facts)
    room_agreement.confirm(session, now, made, hashes)
    return made


@dataclass
class Inviting:
    """People who invite, and what stands in the database afterwards."""

    database: Database
    rules: RuleSet
    clock: Any
    hashes: KeyedHashes | None = None

    def open_homeservers(self) -> None:
        """Agents on education, guests on guests."""
        with self.database.transaction() as session:
            for name, source in (("education.example", "agent"), ("guests.example", "guest")):
                session.add(
                    Homeserver(
                        name=name,
                        url="http://127.0.0.1:1",
                        label=name,
                        connector="none",
                        user_id_scheme="address",
                        class_source=source,
                        created_at=self.clock(),
                    )
                )

    def store(self, typed=GIL, room_id=ROOM, sender=ZOE, facts=()) -> ThirdPartyInvitation:
        invited = InviteRequest(typed, EmailAddress.parse(typed), room_id, sender, dict(facts))
        with self.database.transaction() as session:
            return stored_in_room(
                session,
                self.rules,
                self.clock(),
                invited=invited,
                key=EphemeralKey(f"public {uuid.uuid4()}", "sealed"),
                signing_key_id="ed25519:0",
                hashes=self.hashes,
            )

    def act(self, function, row, *args, **facts):
        """`act(invitations.revoke, row, by=ZOE)`, in a transaction of its own, on the row of now."""
        with self.database.transaction() as session:
            now = self.read_in(session, row)
            return function(session, self.clock(), now, *args, **facts)

    def read_in(self, session, row) -> ThirdPartyInvitation:
        return session.get_one(ThirdPartyInvitation, row.id)

    def read(self, row) -> ThirdPartyInvitation:
        with self.database.reading() as session:
            return self.read_in(session, row)

    def where(self, row) -> str:
        return invitation_states.state_of(self.read(row), self.clock()).value

    def seen(self, row) -> dict[str, Any]:
        """What its inviter is told, but for what names the invitation."""
        with self.database.reading() as session:
            told = invitation_record.describe_for_inviter(
                session, self.clock(), self.read_in(session, row)
            )
        names = ("id", "address", "room_id", "sender")
        told["history"] = [event | {"by": ""} for event in told["history"]]
        return {name: value for name, value in told.items() if name not in names}

    def history(self, row) -> list[str]:
        with self.database.reading() as session:
            return [e.happened for e in invitation_events.find_events(session, row.id)]

    def may_register(self, address=GIL) -> bool:
        with self.database.reading() as session:
            return invitations.may_register(
                session, self.rules, self.clock(), EmailAddress.parse(address)
            )

    def mails(self) -> list[tuple[str, str]]:
        """Template and state of every mail ordered, oldest first."""
        with self.database.reading() as session:
            found = sorted(mails.find_recent(session, limit=1000), key=lambda mail: mail.created_at)
            return [(mail.template, mail.state) for mail in found]

    def relay_takes_all(self) -> None:
        """What is due once the rooms of one go are gathered is handed over, as the worker would note it."""
        self.clock.time += mail_grouping.GATHERING_TIME
        with self.database.transaction() as session:
            for mail in mails.find_recent(session, state=MailState.WAITING, limit=1000):
                if mail.goes_at > self.clock():
                    continue
                kind = kind_of(mail)
                if kind.close(session, self.clock(), mail) is None:
                    mail_results.record_handed(
                        session, self.clock(), mail, "250 2.0.0 ok", kind=kind
                    )

    def errands(self, kind: JobKind) -> int:
        with self.database.reading() as session:
            return session.query(Job).filter_by(kind=kind).count()
