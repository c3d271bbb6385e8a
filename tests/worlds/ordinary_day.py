"""What an agent does on an ordinary day, by a client's calls: every one is expected to succeed, in its order."""

import uuid
from typing import Any
from urllib.parse import quote

from tests.services.guichet_synapse import Person
from tests.services.waiting import wait_for

from .rooms_federation import Federation
from .synapse_rooms import RULE, initial, invite, put, redact, state_ids, upgrade

MEGOLM = "m.megolm.v1.aes-sha2"


def sends(person: Person, room_id: str, kind: str = "m.room.message", **content: Any) -> str:
    """The event's ID."""
    path = f"/rooms/{quote(room_id)}/send/{kind}/{uuid.uuid4().hex}"
    return str(person.do("PUT", path, **content)["event_id"])


def says(person: Person, room_id: str, text: str, **more: Any) -> str:
    return sends(person, room_id, msgtype="m.text", body=text, **more)


def sets(person: Person, room_id: str, kind: str, key: str = "", **content: Any) -> None:
    answer = put(person, room_id, kind, key, **content)
    assert answer.ok, f"{kind}: {answer.text}"


def invites(person: Person, room_id: str, **whom: str) -> None:
    answer = invite(person, room_id, **whom)
    assert answer.ok, answer.text


def goes(person: Person, room_id: str, how: str, **more: Any) -> None:
    person.do("POST", f"/rooms/{quote(room_id)}/{how}", **more)


def rooms(on: Federation, version: str) -> None:
    """A private room is made, named and run; who leaves comes again."""
    ana, zoe, nina = on.ana, on.zoe, on.nina
    room_id = ana.create(
        name="Budget",
        topic="2027",
        room_version=version,
        invite=[zoe.user_id, nina.user_id],
        initial_state=[initial("m.room.guest_access", guest_access="can_join")],  # as clients do
    )
    on.comes(zoe, nina, room_id=room_id)
    talk(room_id, ana, nina)
    sets(ana, room_id, "m.room.topic", topic="2028")
    sets(ana, room_id, "m.room.avatar", url="mxc://localhost/picture")
    alias = f"#n{uuid.uuid4().hex[:8]}:{ana.homeserver.server_name}"
    ana.do("PUT", f"/directory/room/{quote(alias)}", room_id=room_id)
    sets(ana, room_id, "m.room.canonical_alias", alias=alias)
    sets(ana, room_id, "m.room.pinned_events", pinned=[says(ana, room_id, "To be pinned")])
    sets(ana, room_id, "m.room.history_visibility", history_visibility="joined")
    levels = ana.state(room_id, "m.room.power_levels")
    levels["users"] |= {zoe.user_id: 50, nina.user_id: 100}
    sets(ana, room_id, "m.room.power_levels", **levels)
    wait_for(lambda: nina.state(room_id, "m.room.power_levels") == levels, what="Nina is an owner")
    sets(nina, room_id, "m.room.name", name="Budgets")
    sets(zoe, room_id, "m.room.name", name="Budget")
    goes(ana, room_id, "kick", user_id=zoe.user_id, reason="holidays")
    invites(ana, room_id, user_id=zoe.user_id)
    on.comes(zoe, room_id=room_id)
    for step in ("leave", "forget"):
        goes(zoe, room_id, step)
    invites(ana, room_id, user_id=zoe.user_id)
    on.comes(zoe, room_id=room_id)
    goes(ana, room_id, "ban", user_id=zoe.user_id)
    goes(ana, room_id, "unban", user_id=zoe.user_id)


def talk(room_id: str, *people: Person) -> None:
    """Messages, threads, reactions, edits, files, receipts, and one's own messages taken back."""
    for person in people:
        first = says(person, room_id, "Bonjour")
        thread = {"rel_type": "m.thread", "event_id": first}
        in_thread = says(person, room_id, "In a thread", **{"m.relates_to": thread})
        like = {"rel_type": "m.annotation", "event_id": first, "key": "👍"}
        liked = sends(person, room_id, "m.reaction", **{"m.relates_to": like})
        edit = {"m.new_content": {"msgtype": "m.text", "body": "Bonsoir"}}
        relates = {"m.relates_to": {"rel_type": "m.replace", "event_id": first}}
        says(person, room_id, "* Bonsoir", **edit, **relates)
        uploaded = person.do("POST", "/_matrix/media/v3/upload?filename=a.json", a="file")
        sends(person, room_id, msgtype="m.file", body="a.json", url=uploaded["content_uri"])
        for own in (liked, in_thread, first):
            assert redact(person, room_id, own).ok
        room = f"/rooms/{quote(room_id)}"
        person.do("POST", f"{room}/receipt/m.read/{quote(first)}", thread_id="main")
        person.do("PUT", f"{room}/typing/{quote(person.user_id)}", typing=True, timeout=1000)
        person.do("PUT", f"/pushrules/global/room/{quote(room_id)}", actions=["dont_notify"])
        person.do("GET", f"{room}/messages", dir="b")
        person.do("GET", f"{room}/members")
        person.do("GET", "/sync", timeout=0)


def encrypted(on: Federation, version: str) -> None:
    """An encrypted chat with somebody of another homeserver, and one with a guest: keys, and messages to devices."""
    for other in (on.nina, on.gil):
        room_id = on.ana.create(
            is_direct=True,
            preset="trusted_private_chat",
            invite=[other.user_id],
            room_version=version,
        )
        on.comes(other, room_id=room_id)
        assert on.ana.state(room_id, "m.room.encryption")["algorithm"] == MEGOLM
        for one, another in ((on.ana, other), (other, on.ana)):
            hands_over_keys(one, another, room_id)


def hands_over_keys(one: Person, another: Person, room_id: str) -> None:
    """As clients do before the first message: upload, query, claim, send the room's key to the device."""
    device = upload_keys(another)
    asked = {another.user_id: []}
    wait_for(
        lambda: (
            device
            in one.do("POST", "/keys/query", device_keys=asked)["device_keys"].get(
                another.user_id, {}
            )
        ),
        what=f"{one.user_id} knows the device of {another.user_id}",
        pause=0.2,
    )
    claimed = {another.user_id: {device: "signed_curve25519"}}
    told = one.do("POST", "/keys/claim", one_time_keys=claimed)
    assert device in told["one_time_keys"][another.user_id]
    message = {another.user_id: {device: {"algorithm": "m.olm.v1.curve25519-aes-sha2"}}}
    path = f"/sendToDevice/m.room.encrypted/{uuid.uuid4().hex}"
    one.do("PUT", path, messages=message)
    sends(one, room_id, "m.room.encrypted", algorithm=MEGOLM, ciphertext="x", session_id="s")


def upload_keys(person: Person) -> str:
    device = str(person.do("GET", "/account/whoami")["device_id"])
    signed = {person.user_id: {f"ed25519:{device}": "C" * 86}}
    keys = {
        "user_id": person.user_id,
        "device_id": device,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", MEGOLM],
        "keys": {f"curve25519:{device}": "A" * 43, f"ed25519:{device}": "B" * 43},
        "signatures": signed,
    }
    once = {f"signed_curve25519:{uuid.uuid4().hex[:8]}": {"key": "D" * 43, "signatures": signed}}
    person.do("POST", "/keys/upload", device_keys=keys, one_time_keys=once)
    return device


def spaces(on: Federation, version: str) -> None:
    """A space with a room that its members may join, or knock at; then both are upgraded."""
    ana, zoe, nina = on.ana, on.zoe, on.nina
    new = {"room_version": version}
    space = ana.create(name="Ministry", creation_content={"type": "m.space"}, **new)
    for person in (zoe, nina):
        invites(ana, space, user_id=person.user_id)
    on.comes(zoe, nina, room_id=space)
    allow = [{"type": "m.room_membership", "room_id": space}]
    door = initial("m.room.join_rules", join_rule="knock_restricted", allow=allow)
    room_id = ana.create(name="Team", initial_state=[door], **new)
    via = [ana.homeserver.server_name]
    sets(ana, space, "m.space.child", room_id, via=via, suggested=True)
    sets(ana, room_id, "m.space.parent", space, via=via, canonical=True)
    on.comes(zoe, nina, room_id=room_id)
    hierarchy = f"/_matrix/client/v1/rooms/{quote(space)}/hierarchy"
    assert len(zoe.do("GET", hierarchy)["rooms"]) == 2
    upgrade(ana, room_id, version)
    new_space = upgrade(ana, space, version)
    assert ana.state(new_space, "m.room.create")["type"] == "m.space"


def doors(on: Federation, version: str) -> None:
    """A public room that people find and join; one where they knock."""
    ana, zoe, nina = on.ana, on.zoe, on.nina
    public = ana.create(preset="public_chat", name="Everybody", room_version=version)
    on.comes(zoe, nina, room_id=public)
    assert public in {room["room_id"] for room in zoe.do("GET", "/publicRooms")["chunk"]}
    goes(nina, public, "leave")
    on.comes(nina, room_id=public)
    knock = initial("m.room.join_rules", join_rule="knock")
    room_id = ana.create(initial_state=[knock], room_version=version)
    zoe.do("POST", f"/knock/{quote(room_id)}")
    nina.do("POST", f"/knock/{quote(room_id)}?via={ana.homeserver.server_name}", reason="Please")
    for person in (zoe, nina):
        invites(ana, room_id, user_id=person.user_id)
    on.comes(zoe, nina, room_id=room_id)


def guests(on: Federation, version: str) -> None:
    """A room that is opened to guests, who answer; they leave, and it is closed again."""
    ana, gil = on.ana, on.gil
    room_id = ana.create(name="With others", room_version=version)
    sets(ana, room_id, RULE, rule="unrestricted", visibility="private")
    invites(ana, room_id, user_id=gil.user_id)
    invites(ana, room_id, **on.by_mail(f"{uuid.uuid4().hex[:8]}@asso.example"))
    on.comes(gil, room_id=room_id)
    talk(room_id, ana, gil)
    gil.do("PUT", f"/profile/{quote(gil.user_id)}/displayname", displayname=uuid.uuid4().hex)
    new_room = upgrade(ana, room_id, version)
    invites(ana, new_room, user_id=gil.user_id)
    on.comes(gil, room_id=new_room)
    goes(gil, new_room, "leave")
    for kind, token in state_ids(ana, new_room):
        if kind == "m.room.third_party_invite":
            sets(ana, new_room, kind, token)
    wait_for(
        lambda: gil.user_id not in joined(ana, new_room),
        what="Ana's homeserver knows that Gil left",
        pause=0.2,
    )
    sets(ana, new_room, RULE, rule="restricted", visibility="private")


def joined(person: Person, room_id: str) -> list[str]:
    return list(person.do("GET", f"/rooms/{quote(room_id)}/joined_members")["joined"])


THE_DAY = (rooms, encrypted, spaces, doors, guests)
