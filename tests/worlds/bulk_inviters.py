"""An agent with a room and a list, a desk by value, and the steps through the pages of lists."""

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select

from identity.accounts import verified_addresses
from identity.app import create_app
from identity.core import outbox
from identity.core.outbox import Job, Lane
from identity.homeservers.room_actions import NoModule, Room
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.settings import Settings
from identity.threepids import associations
from tests.services.person import code_in, plain
from workers import tasks

ZOE = "@zoe:education.example"
HERS = "zoe.martin@ac-rouen.example"
ROOM = "!room:education.example"
LIST = "Nom;Adresse\nÉloïse;eloise@ac-rouen.example\nLéa;Lea@asso.example\nEncore;lea@asso.example\nPaul;paul@gmial.com\nGil;gil.asso.example\n"


@dataclass
class FakeRoomActions:
    """The desk of a homeserver by value; `tests/synapse/test_desk.py` asks a real one the same."""

    room: Room = field(default_factory=lambda: Room(True, True, True, "Cellule d’appui"))
    is_there: bool = True
    placed: list[tuple[str, str]] = field(default_factory=list)
    invited: list[str] = field(default_factory=list)

    @contextmanager
    def at_once(self):
        yield self

    def look(self, *, room_id, sender):
        if not self.is_there:
            raise NoModule("none")
        assert sender == ZOE
        return self.room

    def invite(self, *, room_id, sender, token, address, keys):
        assert keys["public_keys"][0]["public_key"] == keys["public_key"]
        assert (room_id, sender) == (ROOM, ZOE)
        self.placed.append((token, address))

    def invite_user(self, *, room_id, sender, user_id):
        self.invited.append(user_id)
        return True


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(
        _env_file=None, data_dir=tmp_path, secret_keys="a-key-for-the-tests-that-is-long-enough"
    )


@pytest.fixture
def desk() -> FakeRoomActions:
    return FakeRoomActions()


@pytest.fixture
def service(services, desk):
    with services.database.transaction() as session:
        associations.bind(session, services.now(), address=HERS, user_id=ZOE)
        verified_addresses.add(session, services.now(), user_id=ZOE, address=HERS)
    return with_worker_beside(replace(services, room_actions_for=lambda _homeserver: desk))


def with_worker_beside(worker_services):
    """A worker that answers what a page waits for, as soon as it is asked; the rest waits for `run`."""

    def wake(_lanes):
        with worker_services.database.reading() as session:
            asked = outbox.JobKind.ROOM_LOOK
            waiting = select(Job).where(Job.kind == asked, outbox.WAITING)
            entries = session.scalars(waiting).all()
        for entry in entries:
            tasks.carry_out(worker_services, entry)

    worker_services.database.wake_outbox = wake
    return worker_services


@pytest.fixture
def browser(service):
    return create_app(service).test_client()


def csrf(browser, path="/lists/sign-in") -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', browser.get(path).text).group(1)


def post(browser, path, **fields):
    fields["csrf_token"] = csrf(browser)
    return browser.post(path, data=fields, content_type="multipart/form-data")


def run(service, *lanes):
    for lane in lanes or (Lane.URGENT, Lane.BULK, Lane.NORMAL):
        if lane is Lane.NORMAL:  # the mails of invitations, once the rooms of one go are gathered
            service.now.time += GATHERING_TIME
        tasks.run_lane(service, lane)


def sign_in(browser, service, postbox, address=HERS):
    post(browser, "/lists/sign-in", email=address)
    run(service, Lane.URGENT)
    code = code_in(plain(postbox.sent[-1]))
    return post(browser, "/lists/code", code=code)


def hand_in(browser, text=LIST, name="liste.csv"):
    answer = post(browser, "/lists", room=ROOM, file=(io.BytesIO(text.encode()), name))
    assert answer.status_code == 303, answer.text
    return answer.location
