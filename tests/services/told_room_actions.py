"""A homeserver's desk by value, over HTTP: what `tests/synapse/test_desk.py` sees a real one do, and no more."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from domain_rules.room_action_answers import credential_hash, seal_answer
from identity.homeservers.calls import HomeserverCalls
from identity.homeservers.models import Homeserver
from identity.homeservers.room_actions import RoomActions

from .serving import serve
from .waiting import LOOPBACK, free_port

FORBIDDEN = 403


@dataclass
class ToldRoom:
    """Members, those of them who may invite, and the events of third-party invitations."""

    members: set[str] = field(default_factory=set)
    may_invite: set[str] = field(default_factory=set)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    invited: list[str] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)  # token and address, as they came
    memberships: dict[str, str] = field(default_factory=dict)  # of those who are not in it
    is_known: bool = True  # whether this homeserver can tell


class ToldRoomActions:
    """Signatures are for the real one to look at; by its answers it is known to have the credential."""

    def __init__(self, credential: str = "the credential of its homeserver") -> None:
        self.credential = credential
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.rooms: dict[str, ToldRoom] = {}
        self.asked = self.connections = 0
        self._server = ThreadingHTTPServer((LOOPBACK, self.port), self._handler())
        self._server.daemon_threads = True
        serve(self._server)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, what: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        room = self.rooms.setdefault(asked["room_id"], ToldRoom())
        if what == "membership":
            is_in = asked["user_id"] in room.members
            membership = "join" if is_in else room.memberships.get(asked["user_id"])
            held = bool(room.events.get(asked["token"])) if asked.get("token") else None
            return 200, {"membership": membership, "known": room.is_known, "invitation": held}
        sender = asked.get("sender")
        if what == "room":
            joined = sender in room.members
            may = joined and sender in room.may_invite
            return 200, {"joined": joined, "may_invite": may, "open_to_guests": True, "name": None}
        if what == "revoke":
            if asked["token"] in room.events:
                room.events[asked["token"]] = {}
            return 200, {}
        if sender not in room.members or sender not in room.may_invite:
            return FORBIDDEN, {"errcode": "M_FORBIDDEN", "error": "not in this room"}
        if user_id := asked.get("user_id"):
            membership = "join" if user_id in room.members else "invite"
            room.invited.append(user_id)
            return 200, {"membership": membership}
        room.events[asked["token"]] = {"public_key": asked["public_key"]}
        room.sent.append((asked["token"], asked["address"]))
        return 200, {"event_id": "$event"}

    def client_for(
        self, clock: Callable[[], datetime], calls: HomeserverCalls
    ) -> Callable[[Homeserver], RoomActions]:
        """What a worker asks the module of any homeserver by: all of them are this one."""
        known_by = [credential_hash(self.credential)]
        return lambda homeserver: RoomActions(
            homeserver.name, self.url, dict, clock, lambda _name: known_by, calls
        )

    def _handler(self):
        us = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # an answer is two packets

            def setup(self):
                us.connections += 1
                super().setup()

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                action = self.path.rpartition("/")[2]
                assert asked["action"] == action
                status, body = us.answer(action, asked)
                body = seal_answer(
                    body,
                    known_by=credential_hash(us.credential),
                    homeserver=asked["destination"],
                    action=action,
                    nonce=asked["nonce"],
                    status=status,
                )
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                """Nobody reads it."""

        return Handler


@pytest.fixture
def told_room_actions() -> Iterator[ToldRoomActions]:
    desk = ToldRoomActions()
    yield desk
    desk.stop()
