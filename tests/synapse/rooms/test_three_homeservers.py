"""Three real Synapses that federate: a homeserver that joins a room with a guest in it is whole, and no link is ever blocked.

Two homeservers never show it: who joins second is told of everybody by the room's own server.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.services.guichet_synapse import OF_GUESTS, GuichetHomeserver, Person, started
from tests.services.synapse_workers import WorkerHomeserver
from tests.services.waiting import wait_for

pytestmark = pytest.mark.synapse

RULE = "im.vector.room.access_rules"
PARTS = {"registration_gate": False, "binder": False, "directory": False, "desk": False}
OPEN = {"type": RULE, "state_key": "", "content": {"rule": "unrestricted"}}
WAITING = {"module": "tests.services.waiting_module.WaitsForItself"}
# Synapse logs where in its code, and on whose behalf, somebody waits for a room to be whole.
WAITS_FOR_ITSELF = {"check_event_for_spam", "un-partial-stating"}
every_version = pytest.mark.parametrize("version", ["10", "11", "12"])


@dataclass
class Three:
    """Ana, an agent, makes rooms; Gil and Gina are guests; Nina is an agent of a third homeserver."""

    rooms: GuichetHomeserver
    guests: GuichetHomeserver
    third: GuichetHomeserver
    ana: Person
    gil: Person
    gina: Person
    nina: Person

    def make(self, version: str, *invited: Person) -> str:
        return self.ana.create(
            name="Budget",
            room_version=version,
            initial_state=[OPEN],
            invite=[each.user_id for each in invited],
        )

    def comes(self, person: Person, room_id: str) -> None:
        wait_for(
            lambda: person.join(room_id, by=self.rooms).ok,
            what=f"{person.user_id} is in",
            pause=0.2,
        )


def three(
    tmp_path_factory, authority, told_guichet, third: GuichetHomeserver | None = None
) -> Iterator[Three]:
    def homeserver(name: str, **further: Any) -> GuichetHomeserver:
        return GuichetHomeserver(
            tmp_path_factory.mktemp(name),
            authority,
            guichet_url=told_guichet.url,
            module={"parts": PARTS},
            room_prejoin_state={"additional_event_types": [RULE]},
            **further,
        )

    rooms, guests = homeserver("rooms"), homeserver("guests", **OF_GUESTS)
    third = third or homeserver("third")
    told_guichet.sources |= {
        rooms.server_name: "agent",
        third.server_name: "agent",
        guests.server_name: "guest",
    }
    with started(rooms, guests, third):
        yield Three(
            rooms,
            guests,
            third,
            *(Person(on, name) for on, name in ((rooms, "ana"), (guests, "gil"), (guests, "gina"))),
            Person(third, "nina"),
        )


@pytest.fixture(scope="module")
def federation(tmp_path_factory, authority, told_guichet) -> Iterator[Three]:
    yield from three(tmp_path_factory, authority, told_guichet)


@pytest.fixture
def with_workers(
    tmp_path_factory, authority, told_guichet, postgresql_server, redis_url
) -> Iterator[Three]:
    """The third homeserver runs a worker, on PostgreSQL and Redis."""
    third = WorkerHomeserver(
        tmp_path_factory.mktemp("workers"),
        authority,
        server=postgresql_server,
        redis=redis_url,
        guichet_url=told_guichet.url,
        module={"parts": PARTS, "ca_file": str(authority.ca_file)},
    )
    yield from three(tmp_path_factory, authority, told_guichet, third)


class Mended(GuichetHomeserver):
    """Beside ours it runs a module that waits for itself, until `mend`."""

    def mend(self) -> None:
        """The old process may wait for itself, and does not end by being asked."""
        self.kill()
        settings = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        settings["modules"].remove(WAITING)
        self.config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self.start()

    def is_partial(self, room_id: str) -> bool:
        """Whether Synapse does not know yet who is in it."""
        database = sqlite3.connect(f"file:{self.folder / 'homeserver.db'}?mode=ro", uri=True)
        try:
            asked = "SELECT 1 FROM partial_state_rooms WHERE room_id = ?"
            return database.execute(asked, (room_id,)).fetchone() is not None
        finally:
            database.close()

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        return settings | {"modules": [*settings["modules"], WAITING]}


def members(person: Person, room_id: str) -> dict[str, dict[str, Any]]:
    """Of everybody ever seen there, the content of their membership. Synapse waits until the room is whole."""
    told = person.do("GET", f"/rooms/{quote(room_id)}/members")
    return {event["state_key"]: event["content"] for event in told["chunk"]}


def sees(person: Person, room_id: str, of: Person, **content: str) -> None:
    def is_so() -> bool:
        found = members(person, room_id).get(of.user_id, {})
        return all(found.get(key) == value for key, value in content.items())

    wait_for(is_so, what=f"{person.user_id} sees {of.user_id} as {content}", pause=0.2)


def says(person: Person, room_id: str, text: str) -> None:
    content = {"msgtype": "m.text", "body": text}
    path = f"/rooms/{quote(room_id)}/send/m.room.message/{quote(text)}"
    person.do("PUT", path, **content)


def hears(person: Person, room_id: str, text: str) -> None:
    def is_there() -> bool:
        told = person.do("GET", f"/rooms/{quote(room_id)}/messages", dir="b", limit=50)
        return any(event["content"].get("body") == text for event in told["chunk"])

    wait_for(is_there, what=f"{person.user_id} hears {text}", pause=0.2)


def everybody_hears_everybody(*people: Person, room_id: str, when: str) -> None:
    for speaker in people:
        text = f"{speaker.user_id} {when}"
        says(speaker, room_id, text)
        for listener in people:
            hears(listener, room_id, text)


def has_keys(person: Person) -> str:
    """Device keys, as a client uploads them; the device's ID."""
    device = str(person.do("GET", "/account/whoami")["device_id"])
    keys = {
        "user_id": person.user_id,
        "device_id": device,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"curve25519:{device}": "A" * 43, f"ed25519:{device}": "B" * 43},
        "signatures": {person.user_id: {f"ed25519:{device}": "C" * 86}},
    }
    person.do("POST", "/keys/upload", device_keys=keys)
    return device


def knows_keys(person: Person, of: Person, device: str) -> None:
    def are_there() -> bool:
        told = person.do("POST", "/keys/query", device_keys={of.user_id: []})
        return device in told["device_keys"].get(of.user_id, {})

    wait_for(are_there, what=f"{person.user_id} has the keys of {of.user_id}", pause=0.2)


@every_version
def test_a_third_homeserver_joins_after_a_guest_and_goes_on_as_ever(federation, version):
    """Named, so that Synapse leaves the members out of what the third one is told first."""
    room_id = a_day_with_guests(federation, version)
    assert set(members(federation.nina, room_id)) == {
        each.user_id for each in (federation.ana, federation.gil, federation.gina, federation.nina)
    }


@pytest.mark.postgresql
@pytest.mark.redis
def test_the_same_where_the_third_homeserver_has_workers(with_workers):
    a_day_with_guests(with_workers, "11")
    assert ' 500 "' not in with_workers.third.worker_log


def a_day_with_guests(on: Three, version: str) -> str:
    """The room it was spent in; no callback of ours failed in it."""
    room_id = on.make(version, on.gil, on.nina)
    on.comes(on.gil, room_id)
    on.comes(on.nina, room_id)
    together = {"room_id": room_id}
    assert set(members(on.nina, room_id)) == {each.user_id for each in (on.ana, on.gil, on.nina)}
    everybody_hears_everybody(on.ana, on.gil, on.nina, when="at first", **together)

    on.gil.do("PUT", f"/profile/{quote(on.gil.user_id)}/displayname", displayname=f"G{version}")
    sees(on.nina, room_id, on.gil, displayname=f"G{version}")
    knows_keys(on.nina, on.gil, has_keys(on.gil))
    knows_keys(on.gil, on.nina, has_keys(on.nina))

    on.ana.do("POST", f"/rooms/{quote(room_id)}/kick", user_id=on.gil.user_id)
    sees(on.nina, room_id, on.gil, membership="leave")
    for guest in (on.gil, on.gina):
        on.ana.do("POST", f"/rooms/{quote(room_id)}/invite", user_id=guest.user_id)
        on.comes(guest, room_id)
        sees(on.nina, room_id, guest, membership="join")
    on.gina.do("POST", f"/rooms/{quote(room_id)}/leave")
    sees(on.nina, room_id, on.gina, membership="leave")
    everybody_hears_everybody(on.ana, on.gil, on.nina, when="at last", **together)
    for homeserver in (on.rooms, on.guests, on.third):
        assert "guichet_callback_failures_total" not in "".join(
            name for name, value in homeserver.metrics.items() if value
        )
    return room_id


def test_a_room_that_hangs_in_a_module_is_whole_once_that_module_is_gone(
    federation, told_guichet, tmp_path_factory, authority
):
    third = Mended(
        tmp_path_factory.mktemp("mended"),
        authority,
        guichet_url=told_guichet.url,
        module={"parts": PARTS},
        room_prejoin_state={"additional_event_types": [RULE]},
    )
    told_guichet.sources[third.server_name] = "agent"
    with started(third):
        on = replace(federation, third=third, nina=Person(third, "nina"))
        room_id = _hung(on, third)
        assert third.is_partial(room_id)
        third.mend()
        wait_for(lambda: not third.is_partial(room_id), what="the room is whole", pause=0.2)
        sees(on.nina, room_id, on.gina, membership="join")
        sees(on.nina, room_id, on.gil, membership="leave")
        everybody_hears_everybody(on.ana, on.gina, on.nina, room_id=room_id, when="at last")


def _hung(on: Three, third: Mended) -> str:
    """A room in which the third homeserver takes up nothing any more."""
    # It has just begun, and lets nobody be invited before it heard who is an agent.
    wait_for(lambda: on.nina.ask("POST", "/createRoom").ok, what="it knows its agents", pause=0.2)
    room_id = on.make("11", on.gil, on.gina, on.nina)
    on.comes(on.gil, room_id)
    on.comes(on.nina, room_id)
    on.ana.do("POST", f"/rooms/{quote(room_id)}/kick", user_id=on.gil.user_id)
    on.comes(on.gina, room_id)
    says(on.ana, room_id, "Is anybody there?")
    wait_for(
        lambda: set(third.log.split()) >= WAITS_FOR_ITSELF, what="it waits for itself", pause=0.2
    )
    assert third.is_partial(room_id)
    return room_id
