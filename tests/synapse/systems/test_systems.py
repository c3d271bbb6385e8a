"""What the documents promise that this project began with, with real Matrix clients, on `make demo`.

The letters are those of docs/testing.md, which has the sentences of each.
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import nio
import pytest

from tests.services.demo import Demo, running
from tests.services.devices import Device, Devices, switched_on
from tests.services.person import PASSWORD, Person, code_in, link_in
from tests.services.waiting import wait_for

pytestmark = pytest.mark.synapse

RULE = "im.vector.room.access_rules"
OPEN_TO_GUESTS = {"type": RULE, "state_key": "", "content": {"rule": "unrestricted"}}


@dataclass
class Federation:
    """Two devices of Ana (agents), one of Mia (agent, mixed), one of Gil (guest), and a room with the three."""

    demo: Demo
    devices: Devices
    ana: Device
    anas_phone: Device
    mia: Device
    gil: Device
    room: str

    @property
    def everybody(self) -> tuple[Device, ...]:
        return self.ana, self.anas_phone, self.mia, self.gil

    def sign_in(self, role: str) -> Device:
        return sign_in(self.demo, self.devices, role)


def sign_in(demo: Demo, devices: Devices, role: str) -> Device:
    user = demo.facts["users"][role]
    url = demo.facts["homeservers"][user["homeserver"]]["client_url"]
    return devices.sign_in(url, user["user_id"], user["password"])


def make_room(agent: Device, **facts) -> str:
    """A private room, open to guests."""
    making = agent.client.room_create(
        preset=nio.RoomPreset.private_chat, initial_state=[OPEN_TO_GUESTS], **facts
    )
    return agent.does(making).room_id


@pytest.fixture(scope="module")
def federation(tmp_path_factory) -> Iterator[Federation]:
    folder = tmp_path_factory.mktemp("demo")
    with running(folder) as demo, switched_on(tmp_path_factory.mktemp("devices")) as devices:
        roles = ("agent", "agent", "mixed_agent", "guest")
        ana, phone, mia, gil = (sign_in(demo, devices, role) for role in roles)
        room = make_room(ana, name="Cellule de crise")
        devices.bring_together(room, ana, mia, gil)
        yield Federation(demo, devices, ana, phone, mia, gil, room)


def say_and_be_read(federation: Federation, speaker: Device, text: str) -> str:
    """On every other device, decrypted. The ID of the event."""
    event_id = speaker.say(federation.room, text)
    federation.devices.until(
        lambda: all(
            each.read(federation.room, text) for each in federation.everybody if each is not speaker
        ),
        what=f"everybody reads: {text}",
    )
    return event_id


def unreadable(history: list) -> list[nio.MegolmEvent]:
    return [each for each in history if isinstance(each, nio.MegolmEvent)]


def a_name() -> str:
    """Another one each time: a test that is tried again begins afresh."""
    return f"n{uuid.uuid4().hex[:10]}"


def makes_account(browser: Person, name: str) -> str:
    """Fill in the last form of Guichet; the user ID that the page then names."""
    browser.send(display_name=name, password=PASSWORD, password_again=PASSWORD)
    return re.findall(r"@[^\s<:]+:localhost:\d+", browser.wait_until_made().text)[0]


def test_a_a_new_device_reads_the_whole_history(federation, tmp_path):
    said = [f"Histoire de {name}" for name in ("ana", "mia", "gil")]
    for speaker, text in zip((federation.ana, federation.mia, federation.gil), said, strict=True):
        say_and_be_read(federation, speaker, text)
    new = federation.sign_in("agent")
    keys = str(tmp_path / "keys")
    federation.ana.does(federation.ana.client.export_keys(keys, "une phrase"))
    federation.devices.until(lambda: new.is_with(federation.room), what="it knows the room")
    assert unreadable(new.history(federation.room))  # the homeserver has no keys to give
    new.does(new.client.import_keys(keys, "une phrase"))
    history = new.history(federation.room)
    assert not unreadable(history)
    assert set(said) <= {each.body for each in history if isinstance(each, nio.RoomMessageText)}
    federation.devices.switch_off(new)


def test_b_who_is_invited_by_a_list_gets_mail_and_account_and_answers(federation):
    demo, ana, devices = federation.demo, federation.ana, federation.devices
    address, room = f"{a_name()}@asso.example", make_room(ana, name="Associations")
    agent = demo.browser()
    agent.open("/lists/sign-in")
    agent.send("/sign-in", email="ana@agents.example")
    agent.type_code(code_in(demo.mail_to("ana@agents.example", "code")["text"]))
    agent.open("/lists")
    people = f"Nom;Adresse\nLéa Petit;{address}\n".encode()
    agent.send("/lists", room=room, files={"file": ("liste.csv", people)})
    checked = agent.page.url
    wait_for(lambda: 'name="send"' in agent.open(checked).text, what="the list is checked")
    agent.send(send="1")

    mail = demo.mail_to(address)
    invited = demo.browser()
    invited.open(link_in(mail["text"], "i"))
    invited.send(code=code_in(mail["text"]))
    user_id = makes_account(invited, "Léa Petit")
    guests = demo.facts["homeservers"]["guests"]
    assert user_id.endswith(f":{guests['server_name']}")
    lea = devices.sign_in(guests["client_url"], user_id, PASSWORD)
    devices.until(lambda: room in lea.client.invited_rooms, what="the invitation is there")
    lea.does(lea.client.join(room))
    devices.until(lambda: lea.is_with(room, ana) and ana.is_with(room, lea), what="they meet")
    lea.say(room, "Bonjour, me voilà")
    devices.until(lambda: ana.read(room, "Bonjour, me voilà"), what="Ana reads it")
    assert ana.read(room, "Bonjour, me voilà").decrypted
    devices.switch_off(lea)


def test_c_agents_find_each_other_and_guests_find_nobody(federation):
    demo, name = federation.demo, a_name()
    zoe = demo.browser()
    zoe.ask(f"zoe.{name}@agents.example")
    zoe.type_code(code_in(demo.mail_to(f"zoe.{name}@agents.example", "code")["text"]))
    zoes = makes_account(zoe, f"Zoé {name}")

    def found(role: str, term: str) -> set[str]:
        answer = demo.ask(role, "/user_directory/search", search_term=term)
        return {each["user_id"] for each in answer.json()["results"]}

    wait_for(lambda: zoes in found("agent", name), what="Ana finds Zoé, whom she never met")
    for role in ("guest", "mixed_guest"):
        assert found(role, name) | found(role, "ana") | found(role, "mia") == set()
    for role in ("agent", "mixed_agent"):
        assert found(role, "gil") | found(role, "max") | found(role, "guichet") == set()

    agents = demo.facts["homeservers"]["agents"]["client_url"]
    hers = federation.devices.sign_in(agents, zoes, PASSWORD)
    path = f"/user/{quote(zoes)}/account_data/im.vector.hide_profile"
    assert hers.put(path, hide_profile=True).ok
    wait_for(lambda: zoes not in found("agent", name), what="who is on the red list is not found")
    federation.devices.switch_off(hers)


def test_d_what_each_says_is_read_on_every_other_device_and_nowhere_else(federation):
    for speaker in federation.everybody:
        text = f"De {speaker.client.device_id}"
        event_id = say_and_be_read(federation, speaker, text)
        path = f"/rooms/{quote(federation.room)}/event/{quote(event_id)}"
        stored = federation.demo.fetch("agent", path)
        assert stored.json()["type"] == "m.room.encrypted"
        assert text not in stored.text
    for device in federation.everybody:
        assert all(each.decrypted for each in device.heard[federation.room])


def test_d_an_encrypted_file_is_opened_on_another_homeserver(federation):
    content = b"note de service " * 4096
    federation.gil.share(federation.room, "note.txt", content)
    for reader in (federation.ana, federation.anas_phone, federation.mia):
        file = federation.devices.until(
            lambda reader=reader: reader.read(federation.room, "note.txt"), what="the file is there"
        )
        stored, opened = reader.download(file)
        assert opened == content
        assert content[:16] not in stored


def test_e_members_see_who_has_joined_and_who_has_read(federation):
    ana, gil = federation.ana, federation.gil
    for device in federation.everybody:
        assert device.is_with(federation.room, ana, federation.mia, gil)
    event_id = say_and_be_read(federation, ana, "Qui m’a lue ?")
    gil.does(gil.client.update_receipt_marker(federation.room, event_id))
    for device in (ana, federation.anas_phone, federation.mia):
        federation.devices.until(
            lambda device=device: device.was_read_by(federation.room, gil) == event_id,
            what="they see that Gil has read it",
        )


def test_f_a_favourite_and_a_mute_are_on_every_device_of_a_person(federation):
    ana, phone, mia, devices = (
        federation.ana,
        federation.anas_phone,
        federation.mia,
        federation.devices,
    )
    muted, loud = make_room(ana, name="Bruit"), make_room(ana, name="Important")
    for room in (muted, loud):
        devices.bring_together(room, ana, mia)
    path = f"/user/{quote(ana.user_id)}/rooms/{quote(loud)}/tags/m.favourite"
    assert ana.put(path, order=0.1).ok
    mute = ana.client.set_pushrule(
        "global",
        nio.PushRuleKind.override,
        muted,
        conditions=[nio.PushEventMatch("room_id", muted)],
    )
    ana.does(mute)
    for device in (ana, phone):
        devices.until(lambda d=device: "m.favourite" in d.room(loud).tags, what="the favourite")
        devices.until(
            lambda d=device: muted in {each.id for each in d.push_rules.override}, what="the mute"
        )
    for room in (muted, loud):
        mia.say(room, "Du nouveau")
        devices.until(lambda room=room: phone.read(room, "Du nouveau"), what="it is heard")
    devices.until(lambda: phone.room(loud).unread_notifications == 1, what="it notifies")
    assert phone.room(muted).unread_notifications == 0
    mia.does(mia.client.room_leave(muted))
    devices.until(lambda: not phone.is_with(muted, mia), what="who leaves is gone")


def test_f_an_agent_pins_and_a_guest_may_not(federation):
    ana, gil, room = federation.ana, federation.gil, federation.room
    event_id = say_and_be_read(federation, ana, "À garder")
    assert ana.put_state(room, "m.room.pinned_events", pinned=[event_id]).ok
    refused = gil.put_state(room, "m.room.pinned_events", pinned=[])
    assert (refused.status_code, refused.json()["errcode"]) == (403, "M_FORBIDDEN")
    path = f"/rooms/{quote(room)}/state/m.room.pinned_events/"
    wait_for(
        lambda: federation.demo.fetch("guest", path).json().get("pinned") == [event_id],
        what="Gil sees what is pinned",
    )


def test_g_guests_start_nothing(federation):
    ana, gil = federation.ana, federation.gil
    max_ = federation.demo.facts["users"]["mixed_guest"]["user_id"]
    for doing, sentence in (
        (gil.client.room_create(), "Les invités ne créent pas de salon."),
        (
            gil.client.room_create(is_direct=True, invite=[ana.user_id]),
            "Les invités ne créent pas de salon.",
        ),
        (gil.client.room_invite(federation.room, max_), "Les invités n’invitent personne."),
    ):
        assert f"M_FORBIDDEN {sentence}" in gil.refused(doing)


def test_g_agents_find_public_rooms_and_guests_do_not(federation):
    ana, mia, gil, devices = federation.ana, federation.mia, federation.gil, federation.devices
    alias = a_name()
    making = ana.client.room_create(
        preset=nio.RoomPreset.public_chat, visibility=nio.RoomVisibility.public, alias=alias
    )
    room, whole = ana.does(making).room_id, f"#{alias}:{ana.user_id.partition(':')[2]}"
    listed = ana.does(ana.client.list_public_rooms()).public_rooms
    assert whole in {each.canonical_alias for each in listed}
    for doing in (
        gil.client.list_public_rooms(),
        gil.client.join(whole),
        gil.client.join(room),
    ):
        assert "M_FORBIDDEN Les invités" in gil.refused(doing)
    mia.does(mia.client.join(whole))
    devices.until(lambda: mia.is_with(room, ana), what="Mia is in the room")
    mia.say(room, "Bonjour à tous")
    devices.until(lambda: ana.read(room, "Bonjour à tous"), what="Ana reads it")
    assert not ana.read(room, "Bonjour à tous").decrypted  # all others are encrypted


def test_g_a_public_room_may_become_private_and_no_private_one_public(federation):
    ana = federation.ana
    making = ana.client.room_create(
        preset=nio.RoomPreset.public_chat, visibility=nio.RoomVisibility.public
    )
    room = ana.does(making).room_id
    listed = f"/directory/list/room/{quote(room)}"
    assert ana.put(listed, visibility="private").ok
    assert ana.put_state(room, "m.room.encryption", algorithm="m.megolm.v1.aes-sha2").ok
    assert ana.put_state(room, "m.room.join_rules", join_rule="invite").ok
    assert ana.put_state(room, RULE, rule="restricted", visibility="private").ok
    refused = ana.put(listed, visibility="public")
    assert refused.json()["org.guichet.reason"] == "private_room_stays_private"
    refused = ana.put_state(room, RULE, rule="restricted", visibility="public")
    assert refused.json()["org.guichet.reason"] == "private_room_stays_private"
