"""The workers stand on the same ground as the service, beside a homeserver that is told of invitations."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from identity.binding import service as binding
from identity.core import signatures as signing
from identity.homeservers import models as homeservers
from identity.invitations import models as third_party_invitations
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.keys import models as signing_keys

ADDRESS = "camille.durand@ac-rouen.example"
CAMILLE = "@camille:education.example"
ROOM = "!room:education.example"


@dataclass
class Told:
    """A connector by value: knows who is where."""

    rooms: dict[tuple[str, str], str] = field(default_factory=dict)
    failure: Exception | None = None
    asked: int = 0

    def membership(self, user_id, room_id):
        self.asked += 1
        if self.failure:
            raise self.failure
        return self.rooms.get((user_id, room_id))


@pytest.fixture
def connector():
    return Told()


@pytest.fixture
def key(services, clock):
    made = signing.new_key("0")
    with services.database.transaction() as session:
        signing_keys.add(
            session,
            clock(),
            key_id=made.key_id,
            public_key=made.public,
            sealed_seed=services.vault.seal(made.seed.get_secret_value()),
        )
    return made


@pytest.fixture
def told_services(services, key, connector, told_homeserver):
    with services.database.transaction() as session:
        homeservers.find(session, "education.example").url = told_homeserver.url
    return replace(services, connector_for=lambda _homeserver: connector)


@pytest.fixture
def worker_services(told_services):
    """What the worker holds; a test module may make another of the same."""
    return told_services


@pytest.fixture
def alone(worker_services):
    """The same, where nobody can be asked who is in a room."""
    return replace(worker_services, connector_for=lambda _homeserver: None)


@pytest.fixture
def invite(worker_services, clock):
    def invite(token="abc", room_id=ROOM, address=ADDRESS):
        with worker_services.database.transaction() as session:
            row = ThirdPartyInvitation(
                address=address,
                room_id=room_id,
                sender="@zoe:education.example",
                token=token,
                public_key=f"key of {token}",
                sealed_key="",
                signing_key_id="ed25519:0",
                facts={},
                for_guest=False,
                created_at=clock(),
                expires_at=clock() + timedelta(days=30),
            )
            session.add(row)
            return row

    return invite


@pytest.fixture
def bind(worker_services, clock):
    def bind(user_id=CAMILLE):
        with worker_services.database.transaction() as session:
            binding.associate(session, clock(), address=ADDRESS, user_id=user_id)

    return bind


@pytest.fixture
def now_at(worker_services):
    """Delivery and last error of an invitation."""

    def now_at(invitation):
        with worker_services.database.reading() as session:
            row = third_party_invitations.find(session, invitation.id)
            return Delivery(row.delivery)

    return now_at
