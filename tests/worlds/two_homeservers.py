"""Two homeservers: what there is on Education, and Mixed with a credential of its own, which tries everything."""

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity.app import create_app
from identity.binding import service as binding
from identity.bulk_invites import service as bulk_invites
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core.database import Base
from identity.homeservers import credentials
from identity.homeservers.models import Homeserver
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.store_invite import EphemeralKey, InviteRequest

from .inviting import stored_in_room

MIXED = "mixed.example"
MALLORY = f"@mallory:{MIXED}"
ZOE, CAMILLE = "@zoe:education.example", "@camille:education.example"
HERS = "camille.durand@ac-rouen.example"
GIL = "gil.perrin@asso.example"
OLD_ROOM, NEW_ROOM = "!room:education.example", "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"
API = "/api/homeserver/v1"
INTERNAL = "/_matrix/identity/internal"
# What a report leaves behind even if it is rejected, and what comes into being with the first question.
OF_THE_CALLER = {"module_reports", "feed_state", "signing_keys"}


@dataclass
class World:
    """What there is on Education, and Mixed with its credential."""

    app: Any
    services: Any
    headers: dict[str, str]
    invitations: list[ThirdPartyInvitation]
    list_id: uuid.UUID

    @property
    def token(self) -> str:
        return self.invitations[0].token

    def send(self, method, path, body=None):
        return self.app.test_client().open(path, method=method, json=body, headers=self.headers)

    def report(self, kind, **facts) -> dict[str, Any]:
        """What came of one report."""
        sent = {"id": str(uuid.uuid4()), "kind": kind, "at": 1, **facts}
        answer = self.send("POST", f"{API}/reports", {"reports": [sent]})
        (told,) = answer.json["results"]
        return {name: value for name, value in told.items() if name != "id"}

    def rows(self) -> dict[str, list[str]]:
        """Everything in the database, but what the caller's own asking leaves there."""
        with self.services.database.reading() as session:
            return {
                name: sorted(map(repr, session.execute(select(table)).all()))
                for name, table in Base.metadata.tables.items()
                if name not in OF_THE_CALLER
            }


@pytest.fixture
def world(decided, clock) -> World:
    rules = decided.rules.current()
    with decided.database.transaction() as session:
        session.add(
            Homeserver(
                name=MIXED,
                url="http://127.0.0.1:1",
                label="Tous",
                connector="none",
                user_id_scheme="address",
                class_source="by_person",
                created_at=clock(),
            )
        )
        session.flush()
        token = credentials.issue(session, clock(), homeserver=MIXED)
        binding.record_verified(session, clock(), address=HERS, user_id=CAMILLE)
        invitations = [
            stored_in_room(
                session,
                rules,
                clock(),
                invited=InviteRequest(GIL, EmailAddress.parse(GIL), room_id, ZOE),
                key=EphemeralKey(f"public {room_id}", "sealed"),
                signing_key_id="ed25519:0",
            )
            for room_id in (OLD_ROOM, NEW_ROOM)
        ]
        made = bulk_invites.check(
            session,
            rules,
            clock(),
            owner=Owner(ZOE),
            room=RoomSeen(OLD_ROOM),
            raw=b"lea@asso.example",
        )
    headers = {"Authorization": f"Bearer {token}"}
    return World(create_app(decided), decided, headers, invitations, made.id)
