"""On three real Synapses, one without our module: no rule of a room is undone, by whatever event it is tried."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from identity.cli import readable_rooms
from identity.gateways.http_client import JsonClient
from tests.services.guichet_synapse import GuichetHomeserver
from tests.services.waiting import wait_for
from tests.synapse.ordinary_day import THE_DAY
from tests.synapse.rooms import (
    RULE,
    initial,
    invite,
    put,
    reason,
    redact,
    state_ids,
    upgrade,
)
from tests.synapse.rooms_federation import Federation, becomes, federated

pytestmark = pytest.mark.synapse

every_version = pytest.mark.parametrize("version", ["10", "11", "12"])
ENCRYPTION, LEVELS = "m.room.encryption", "m.room.power_levels"
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}
NOT_REDACTED = "room_settings_are_not_redacted"


@pytest.fixture(scope="module")
def federation(tmp_path_factory, authority, told_guichet) -> Iterator[Federation]:
    yield from federated(tmp_path_factory, authority, told_guichet)


@every_version
def test_4_no_setting_is_redacted_by_whoever_could_redact_a_message(federation, version):
    ana, zoe = federation.ana, federation.zoe
    room_id = federation.of_owners(version, name="Trees")
    assert invite(ana, room_id, **federation.by_mail(f"v{version}@asso.example")).ok
    assert put(ana, room_id, "m.room.topic", topic="Trees").ok
    standing = state_ids(ana, room_id)
    kinds = {kind for kind, _ in standing}
    refused = {kind for (kind, key), each in standing.items() if not redact(zoe, room_id, each).ok}
    assert refused >= kinds - {"m.room.member", "m.room.name"}
    for by in (ana, zoe):
        for kind in (RULE, ENCRYPTION, "m.room.create"):
            assert reason(redact(by, room_id, standing[kind, ""])) == NOT_REDACTED
        [invitation] = [each for (kind, _), each in standing.items() if "third_party" in kind]
        assert reason(redact(by, room_id, invitation)) == NOT_REDACTED
    if version != "10":
        path = f"/rooms/{quote(room_id)}/send/m.room.redaction/by-content"
        asked = {"redacts": standing[RULE, ""], "reason": "by its content"}
        assert reason(ana.ask("PUT", path, **asked)) == NOT_REDACTED
    assert state_ids(ana, room_id)[RULE, ""] == standing[RULE, ""]
    assert ana.state(room_id, RULE)["rule"] == "unrestricted"
    assert redact(ana, room_id, standing["m.room.topic", ""]).ok
    assert ana.state(room_id, "m.room.topic") == {}


@every_version
def test_4_what_is_redacted_where_our_module_is_not_goes_on_deciding_here(federation, version):
    ana, nina = federation.ana, federation.nina
    room_id = federation.of_owners(version)
    standing = state_ids(nina, room_id)
    for kind in (RULE, ENCRYPTION):
        assert redact(nina, room_id, standing[kind, ""]).ok
        becomes(ana, room_id, kind, {})
    assert reason(put(ana, room_id, RULE, rule="restricted")) == "guests_are_still_in_the_room"
    assert invite(ana, room_id, user_id=federation.gina.user_id).ok
    federation.comes(federation.gina, room_id=room_id)
    new_room = upgrade(ana, room_id, version)
    assert invite(ana, new_room, user_id=federation.gil.user_id).ok
    assert ana.state(new_room, RULE) == {"rule": "unrestricted", "visibility": "private"}
    becomes(ana, new_room, ENCRYPTION, MEGOLM)


@every_version
@pytest.mark.parametrize("how", ["redacted", "another", "none"])
def test_4_two_stay_two_whatever_a_homeserver_without_our_module_sends(federation, version, how):
    ana, nina = federation.ana, federation.nina
    room_id = ana.create(
        is_direct=True,
        preset="trusted_private_chat",
        room_version=version,
        invite=[nina.user_id],
    )
    federation.comes(nina, room_id=room_id)
    if how == "redacted":
        assert redact(nina, room_id, state_ids(nina, room_id)[RULE, ""]).ok
    else:
        content = {"another": {"rule": "unrestricted"}, "none": {}}[how]
        assert put(nina, room_id, RULE, **content).ok
    left = nina.state(room_id, RULE)
    becomes(ana, room_id, RULE, left)
    third = {"user_id": federation.zoe.user_id}
    assert reason(invite(ana, room_id, **third)) == "direct_room_is_full"
    assert reason(put(ana, room_id, "m.room.name", name="Us")) == "direct_room_has_no_name"
    changed = put(ana, room_id, RULE, rule="unrestricted")
    assert reason(changed) == "rule_never_changes_to_or_from_direct"


@every_version
def test_4_an_edit_another_key_or_unsigned_is_no_rule(federation, version):
    ana, gil = federation.ana, federation.gil
    room_id = ana.create(room_version=version)
    standing = state_ids(ana, room_id)
    new = {"rule": "unrestricted", "visibility": "private"}
    edit = {
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": standing[RULE, ""]},
    }
    path = f"/rooms/{quote(room_id)}/send/{RULE}/edit"
    assert ana.ask("PUT", path, **edit, **new).ok
    assert put(ana, room_id, RULE, "another key", **new).ok
    closed = {"rule": "restricted", "visibility": "private"}
    assert put(ana, room_id, RULE, **closed, **edit, unsigned={"rule": "unrestricted"}).ok
    assert ana.state(room_id, RULE)["rule"] == "restricted"
    assert reason(invite(ana, room_id, user_id=gil.user_id)) == "room_closed_to_guests"


CONTENTS = {
    "an empty algorithm": (ENCRYPTION, {"algorithm": ""}, "algorithm_does_not_encrypt"),
    "no algorithm": (ENCRYPTION, {}, "algorithm_does_not_encrypt"),
    "none of them": (ENCRYPTION, {"algorithm": "m.none"}, "algorithm_does_not_encrypt"),
    "no text": (ENCRYPTION, {"algorithm": 7}, "algorithm_does_not_encrypt"),
    "history for all": (
        "m.room.history_visibility",
        {"history_visibility": "world_readable"},
        "history_is_for_members",
    ),
    "history for whom": ("m.room.history_visibility", {}, "history_is_for_members"),
    "without account": (
        "m.room.guest_access",
        {"guest_access": "can_join"},
        "no_access_without_an_account",
    ),
    "default power": (LEVELS, {"users_default": 50}, "users_default_stays_zero"),
    "state for all": (LEVELS, {"state_default": 0}, "power_levels_too_low"),
    "rule for all": (LEVELS, {"events": {RULE: 0}}, "power_levels_too_low"),
    "kicks for all": (LEVELS, {"kick": 0}, "power_levels_too_low"),
    "invitations for all": (LEVELS, {"invite": 0}, "power_levels_too_low"),
    "an unknown rule": (RULE, {"rule": "open"}, "invalid_access_rule"),
    "no rule": (RULE, {}, "invalid_access_rule"),
    "public after all": (
        RULE,
        {"rule": "unrestricted", "visibility": "public"},
        "private_room_stays_private",
    ),
}


@every_version
def test_5_6_no_content_takes_from_a_room_what_it_was_made_with(federation, version):
    ana = federation.ana
    room_id = federation.of_owners(version)
    before = {kind: ana.state(room_id, kind) for kind, _, _ in CONTENTS.values()}
    told = {}
    for name, (kind, content, _) in CONTENTS.items():
        base = before[kind] if kind == LEVELS else {}
        told[name] = reason(put(ana, room_id, kind, **{**base, **content}))
    assert told == {name: why for name, (_, _, why) in CONTENTS.items()}
    given = before[LEVELS] | {"users": before[LEVELS]["users"] | {federation.gil.user_id: 1}}
    assert reason(put(ana, room_id, LEVELS, **given)) == "guest_may_not_hold_power"
    assert before == {kind: ana.state(room_id, kind) for kind in before}
    assert put(ana, room_id, LEVELS, **before[LEVELS] | {"events_default": 10}).ok
    assert before["m.room.guest_access"] == {"guest_access": "forbidden"}


@every_version
def test_5_6_no_room_is_made_without_encryption_or_open_to_everybody(federation, version):
    ana = federation.ana
    for kind in (ENCRYPTION, "m.room.history_visibility", "m.room.guest_access"):
        for _, content, why in (each for each in CONTENTS.values() if each[0] == kind):
            asked = {"initial_state": [initial(kind, **content)], "room_version": version}
            if content:
                assert reason(ana.ask("POST", "/createRoom", **asked), status=400) == why
    empty = [{"type": ENCRYPTION, "content": {}}]
    assert ana.state(ana.create(initial_state=empty, room_version=version), ENCRYPTION) == MEGOLM
    unsettled = [{"type": ENCRYPTION, "state_key": None, "content": MEGOLM}]
    asked = ana.ask("POST", "/createRoom", initial_state=unsettled, room_version=version)
    assert not asked.ok or ana.state(asked.json()["room_id"], ENCRYPTION) == MEGOLM


@every_version
def test_6_an_upgrade_takes_no_open_door_along(federation, version):
    """Out of a room from before the module, as administrators still make them."""
    ana, agents = federation.ana, federation.agents
    open_to_all = [
        initial("m.room.history_visibility", history_visibility="world_readable"),
        initial("m.room.guest_access", guest_access="can_join"),
    ]
    path = "/_matrix/client/v3/createRoom"
    levels = {"users": {ana.user_id: 100}, "events": {"m.room.tombstone": 100}}
    if version != "12":
        levels["users"][f"@guichet-admin:{agents.server_name}"] = 100
    asked = {
        "initial_state": open_to_all,
        "invite": [ana.user_id],
        "power_level_content_override": levels,
        "room_version": version,
    }
    old = agents.call("POST", path, json=asked).json()["room_id"]
    assert ana.join(old, by=agents).ok
    public = ana.create(preset="public_chat", initial_state=open_to_all[:1], room_version=version)
    wait_for(lambda: old in seen_by_the_doctor(agents), what="the doctor tells of the old room")
    assert public not in seen_by_the_doctor(agents)
    assert ana.state(old, "m.room.history_visibility")["history_visibility"] == "world_readable"
    new_room = upgrade(ana, old, version)
    becomes(ana, new_room, "m.room.history_visibility", {"history_visibility": "shared"})
    becomes(ana, new_room, "m.room.guest_access", {"guest_access": "forbidden"})
    becomes(ana, new_room, RULE, {"rule": "restricted"})


def seen_by_the_doctor(homeserver: GuichetHomeserver) -> str:
    with JsonClient(homeserver.url) as talk:
        found = readable_rooms.look(talk, homeserver.server_name, token=homeserver.admin_token)
        return " ".join(each.told for each in found)


@every_version
def test_8_a_chat_that_a_client_starts_with_two_people_is_a_private_room(federation, version):
    ana, zoe, gil, nina = federation.ana, federation.zoe, federation.gil, federation.nina
    asked = {"is_direct": True, "preset": "trusted_private_chat", "room_version": version}
    for other, rule in ((nina, "restricted"), (gil, "unrestricted")):
        room_id = ana.create(invite=[zoe.user_id, other.user_id], **asked)
        assert ana.state(room_id, RULE)["rule"] == rule
        assert ana.state(room_id, ENCRYPTION) == MEGOLM
        federation.comes(zoe, other, room_id=room_id)


@every_version
def test_11_who_says_public_chat_means_the_directory_unless_it_says_private(federation, version):
    ana, zoe = federation.ana, federation.zoe
    asked = {"preset": "public_chat", "room_version": version}
    for more, visibility in (({}, "public"), ({"visibility": "private"}, "private")):
        room_id = ana.create(**asked, **more)
        listed = ana.do("GET", f"/directory/list/room/{quote(room_id)}")
        assert listed["visibility"] == visibility
        assert ana.state(room_id, RULE) == {"rule": "restricted", "visibility": visibility}
        assert zoe.join(room_id, by=federation.agents).ok
        refused = reason(federation.gil.join(room_id, by=federation.agents))
        assert refused == "guest_may_not_join_uninvited"


@every_version
@pytest.mark.parametrize("part_of_it", THE_DAY)
def test_an_agents_ordinary_day_meets_no_refusal(federation, version, part_of_it):
    """Every call of it succeeds, and the modules counted neither a refusal nor a callback without an answer."""
    before = disturbances(federation)
    part_of_it(federation, version)
    assert disturbances(federation) == before


def disturbances(federation: Federation) -> dict[str, float]:
    counted = ("guichet_refusals_total", "guichet_callback_failures_total", "guichet_inbound_total")
    return {
        f"{homeserver.server_name} {name}": value
        for homeserver in (federation.agents, federation.guests)
        for name, value in homeserver.metrics.items()
        if name.startswith(counted)
    }
