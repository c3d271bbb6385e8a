"""On three real Synapses, one without our module: no rule of a room is undone, by whatever event it is tried."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.services.guide import event_types
from tests.services.waiting import wait_for
from tests.worlds.ordinary_day import THE_DAY
from tests.worlds.rooms_federation import (
    Federation,
    becomes,
    disturbances,
    doors_of,
    federated,
    seen_by_the_doctor,
)
from tests.worlds.synapse_rooms import (
    CONTENTS,
    ENCRYPTION,
    LEVELS,
    MEGOLM,
    OTHERS,
    RULE,
    initial,
    invite,
    put,
    reason,
    redact,
    state_ids,
    upgrade,
)

pytestmark = pytest.mark.synapse

every_version = pytest.mark.parametrize("version", ["10", "11", "12"])
NOT_REDACTED = "room_settings_are_not_redacted"


@pytest.fixture(scope="module")
def federation(tmp_path_factory, authority, told_guichet) -> Iterator[Federation]:
    yield from federated(tmp_path_factory, authority, told_guichet)


@every_version
def test_each_event_type_of_the_guide_is_redacted_as_it_says(federation, version):
    """By a moderator, who may take away messages, and by an owner: one of every type stands in the room."""
    ana, zoe = federation.ana, federation.zoe
    room_id = federation.of_owners(version, name="Trees")
    assert invite(ana, room_id, **federation.by_mail(f"v{version}@asso.example")).ok
    for kind, key, content in OTHERS:
        assert put(ana, room_id, kind, key, **content).ok, kind
    standing = state_ids(ana, room_id)
    said = {kind: row["By redaction"] for kind, row in event_types().items()}
    assert {kind for kind, _ in standing} == set(said) - {"m.room.redaction"}
    of_moderators = {"m.room.member", "m.room.name", "m.room.avatar", "m.room.canonical_alias"}
    last = sorted(standing.items(), key=lambda item: item[0][0] == LEVELS)
    for (kind, _), event_id in last:
        asked = [redact(person, room_id, event_id) for person in (zoe, ana)]
        if said[kind] == "refused by Synapse":
            assert [each.status_code for each in asked] == [403, 403], kind
        elif said[kind].startswith("refused"):
            assert [reason(each) for each in asked] == [NOT_REDACTED] * 2, kind
        else:
            may_owner = kind != LEVELS or version != "10"  # there `invite` would fall to 0
            assert [each.ok for each in asked] == [kind in of_moderators, may_owner], kind
    assert ana.state(room_id, RULE)["rule"] == "unrestricted"
    assert ana.state(room_id, ENCRYPTION) == MEGOLM
    assert ana.state(room_id, "m.room.guest_access") == {}
    for kind in ("m.room.join_rules", "m.room.history_visibility"):
        assert set(ana.state(room_id, kind).values()) == {"invited" if "his" in kind else "invite"}


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_redaction_that_names_the_rule_in_its_content_is_refused(federation, version):
    ana = federation.ana
    room_id = ana.create(room_version=version)
    path = f"/rooms/{quote(room_id)}/send/m.room.redaction/by-content"
    asked = {"redacts": state_ids(ana, room_id)[RULE, ""], "reason": "by its content"}
    assert reason(ana.ask("PUT", path, **asked)) == NOT_REDACTED


@every_version
def test_what_is_redacted_where_our_module_is_not_goes_on_deciding_here(federation, version):
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
def test_two_stay_two_whatever_a_homeserver_without_our_module_sends(federation, version, how):
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
def test_an_edit_another_key_or_unsigned_is_no_rule(federation, version):
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


@every_version
def test_no_content_takes_from_a_room_what_it_was_made_with(federation, version):
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
def test_no_room_is_made_without_encryption_or_open_to_everybody(federation, version):
    ana = federation.ana
    for kind in (ENCRYPTION, "m.room.history_visibility"):
        for _, content, why in (each for each in CONTENTS.values() if each[0] == kind):
            asked = {"initial_state": [initial(kind, **content)], "room_version": version}
            if content:
                assert reason(ana.ask("POST", "/createRoom", **asked), status=400) == why
    anonymous = [initial("m.room.guest_access", guest_access="can_join")]
    room_id = ana.create(initial_state=anonymous, room_version=version)
    assert ana.state(room_id, "m.room.guest_access") == {"guest_access": "forbidden"}
    empty = [{"type": ENCRYPTION, "content": {}}]
    assert ana.state(ana.create(initial_state=empty, room_version=version), ENCRYPTION) == MEGOLM
    unsettled = [{"type": ENCRYPTION, "state_key": None, "content": MEGOLM}]
    asked = ana.ask("POST", "/createRoom", initial_state=unsettled, room_version=version)
    assert not asked.ok or ana.state(asked.json()["room_id"], ENCRYPTION) == MEGOLM


@every_version
def test_an_upgrade_takes_no_open_door_along(federation, version):
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


@every_version
def test_a_chat_that_a_client_starts_with_two_people_is_a_private_room(federation, version):
    ana, zoe, gil, nina = federation.ana, federation.zoe, federation.gil, federation.nina
    asked = {"is_direct": True, "preset": "trusted_private_chat", "room_version": version}
    for other, rule in ((nina, "restricted"), (gil, "unrestricted")):
        room_id = ana.create(invite=[zoe.user_id, other.user_id], **asked)
        assert ana.state(room_id, RULE)["rule"] == rule
        assert ana.state(room_id, ENCRYPTION) == MEGOLM
        federation.comes(zoe, other, room_id=room_id)


@every_version
def test_guests_of_a_homeserver_without_our_module_come_in_by_invitation_alone(
    federation, told_guichet, version
):
    """By link, through a space they are in, or knocking: the room's own homeserver refuses them."""
    ana, nina = federation.ana, federation.nina
    space = federation.of_owners(version, creation_content={"type": "m.space"})
    doors = doors_of(ana, space, version)
    name = federation.bare.server_name
    told_guichet.sources[name] = "guest"
    told_guichet.publish(*told_guichet.rules)
    try:
        wait_for(
            lambda: not invite(ana, doors["public"], user_id=nina.user_id).ok,
            what="Nina counts as a guest",
        )
        for kind, room_id in doors.items():
            knock = f"/knock/{quote(room_id)}?via={federation.agents.server_name}"
            tried = [nina.join(room_id, by=federation.agents)]
            tried += [nina.ask("POST", knock)] if "knock" in kind else []
            assert {each.status_code for each in tried} == {403}, kind
        closing = put(ana, space, RULE, rule="restricted", visibility="private")
        assert reason(closing) == "guests_are_still_in_the_room"
        given = put(ana, doors["knock"], LEVELS, **ana.state(space, LEVELS))
        assert reason(given) == "guest_may_not_hold_power"
    finally:
        told_guichet.sources[name] = "agent"
        told_guichet.publish(*told_guichet.rules)
    wait_for(
        lambda: nina.join(doors["restricted"], by=federation.agents).ok,
        what="Nina is an agent again, and a member of the space",
        pause=0.2,
    )


@every_version
def test_no_space_no_moderator_and_no_guest_moves_a_rule(federation, version):
    """Settings of others' weight stay with owners: a moderator, a guest and a space's links change nothing."""
    ana, zoe, gil = federation.ana, federation.zoe, federation.gil
    room_id = federation.of_owners(version)
    closed = ana.create(room_version=version)
    tombstone = {"body": "moved", "replacement_room": closed}
    acl = {"allow": ["*"], "deny": ["elsewhere.example"]}
    links = {"via": [federation.agents.server_name], "canonical": True}
    for person in (zoe, gil):
        for kind, key, content in (
            ("m.room.tombstone", "", tombstone),
            ("m.room.server_acl", "", acl),
            ("m.space.parent", closed, links),
            ("m.space.child", closed, links),
            (RULE, "", {"rule": "restricted", "visibility": "private"}),
            (LEVELS, "", {"users": {person.user_id: 100}}),
        ):
            assert put(person, room_id, kind, key, **content).status_code == 403, kind
    for here, kind, there in (
        (room_id, "m.space.child", closed),
        (closed, "m.space.parent", room_id),
    ):
        assert put(ana, here, kind, there, **links).ok
    assert reason(invite(ana, closed, user_id=gil.user_id)) == "room_closed_to_guests"
    assert invite(ana, room_id, user_id=federation.gina.user_id).ok


@every_version
@pytest.mark.parametrize("part_of_it", THE_DAY)
def test_an_agents_ordinary_day_meets_no_refusal(federation, version, part_of_it):
    """Every call of it succeeds, and the modules counted neither a refusal nor a callback without an answer."""
    before = disturbances(federation)
    part_of_it(federation, version)
    assert disturbances(federation) == before
