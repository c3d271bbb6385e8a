"""Power in rooms, later: guests hold none, and the default reaches nothing of weight, in room versions 10 to 12."""

import pytest

from domain_rules.rooms.changes import judge_rule
from domain_rules.rooms.events import GuichetIdentity, RoomEvent, judge_event
from domain_rules.rooms.power import judge_levels, starting_levels
from domain_rules.rooms.reasons import RoomReason
from domain_rules.rooms.room import POWER_LEVELS, RULE_EVENT, AccessRule
from tests.worlds.made_rooms import ALICE, ANA, GIL, GINA, PEOPLE, VERSIONS, joined, levels, room

GUSTAVE = "@gustave:guests.example"

every_version = pytest.mark.parametrize("version", VERSIONS)


every_rule = pytest.mark.parametrize("rule", ["restricted", "unrestricted", "direct"])


def change(state, rule, *, by=ANA, **settings):
    return judge_rule(state, by, {"rule": rule, **settings}, PEOPLE)


@every_version
def test_the_default_stays_0_in_open_rooms(version):
    raised = levels(version, users_default=10)
    assert judge_levels(AccessRule.UNRESTRICTED, raised, PEOPLE) is RoomReason.USERS_DEFAULT
    assert judge_levels(AccessRule.RESTRICTED, raised, PEOPLE) is None
    state = room(version, power_levels=raised | {"users": {ANA: 100}})
    assert change(state, "unrestricted") is RoomReason.USERS_DEFAULT


@every_version
@every_rule
@pytest.mark.parametrize(
    ("power", "reason"),
    [
        pytest.param(100, RoomReason.GUEST_POWER, id="owner"),
        pytest.param(1, RoomReason.GUEST_POWER, id="a little"),
        pytest.param("50", RoomReason.GUEST_POWER, id="as text"),
        pytest.param({}, RoomReason.GUEST_POWER, id="no number"),
        pytest.param(0, None, id="the default"),
        pytest.param(-1, None, id="muted"),
    ],
)
def test_guests_hold_no_power_under_any_rule(version, rule, power, reason):
    content = levels(version, users={ANA: 100, GIL: power})
    assert judge_levels(AccessRule(rule), content, PEOPLE) is reason


@every_version
@pytest.mark.parametrize(
    "later",
    [
        {"users_default": 100},
        {"users_default": 1},
        {"state_default": 0},
        {"invite": 0},
        {"kick": 0},
        {"ban": -1},
        {"redact": "0"},
        {"events": {RULE_EVENT: 0}},
        {"events": {"m.room.power_levels": 0}},
        {"events": {"m.room.encryption": 0}},
        {"events": {"m.room.history_visibility": 0}},
    ],
)
def test_levels_set_later_give_a_guest_nothing_that_creation_would_not(version, later):
    content = levels(version, **later)
    for rule in (AccessRule.UNRESTRICTED, AccessRule.DIRECT):
        assert judge_levels(rule, content, PEOPLE) is not None
    assert judge_levels(AccessRule.RESTRICTED, content, PEOPLE) is None
    assert judge_levels(AccessRule.RESTRICTED, content, PEOPLE, guests_inside=True) is not None
    assert change(room(version, power_levels=content), "unrestricted") is not None


@every_version
@pytest.mark.parametrize(
    "later", [{"events_default": 50}, {"state_default": 50}, {"events": {"m.room.name": 0}}]
)
def test_levels_that_give_a_guest_nothing_are_set_as_owners_like(version, later):
    content = levels(version, **later)
    for rule in AccessRule:
        assert judge_levels(rule, content, PEOPLE, guests_inside=True) is None


@every_version
def test_agents_are_promoted(version):
    content = levels(version, users={ANA: 100, ALICE: 100})
    assert judge_levels(AccessRule.DIRECT, content, PEOPLE) is None


@every_version
@every_rule
def test_a_room_from_before_is_mended_step_by_step(version, rule):
    """Synapse's own presets let everybody invite, and guests had power. Clients change one thing at a time."""
    had = levels(version, invite=0, users={ANA: 100, GIL: 50, GINA: 100})

    def becomes(**content):
        state = room(version, rule, power_levels=had, members=joined(ANA, GIL, GINA))
        asked = RoomEvent(POWER_LEVELS, ANA, "", had | content)
        return judge_event(state, asked, PEOPLE, GuichetIdentity())

    assert becomes(users={ANA: 100, GIL: 50, GINA: 50}) is None
    assert becomes(users={ANA: 100, GIL: 50}) is None
    assert becomes(users={ANA: 100, ALICE: 50, GIL: 50, GINA: 100}) is None
    assert becomes(invite=50, events_default=50) is None
    assert becomes(users={ANA: 100, GIL: 51, GINA: 100}) is RoomReason.GUEST_POWER
    assert becomes(users={ANA: 100, GIL: 50, GINA: 100, GUSTAVE: 1}) is RoomReason.GUEST_POWER
    assert becomes(kick=0) is RoomReason.LEVELS_TOO_LOW
    assert becomes(events={RULE_EVENT: 0}) is RoomReason.LEVELS_TOO_LOW
    assert becomes(users_default=1) is RoomReason.USERS_DEFAULT


@every_version
def test_what_everybody_has_by_default_becomes_no_guests_own(version):
    had = levels(version, users_default=50)
    content = levels(version, users={ANA: 100, GIL: 50})
    reason = judge_levels(AccessRule.RESTRICTED, content, PEOPLE, before=had)
    assert reason is RoomReason.GUEST_POWER


@every_version
@every_rule
def test_a_default_from_before_stays_or_becomes_nothing(version, rule):
    had = levels(version, users_default=10)
    kept = judge_levels(AccessRule(rule), had, PEOPLE, guests_inside=True, before=had)
    gone = judge_levels(AccessRule(rule), levels(version), PEOPLE, guests_inside=True, before=had)
    more = levels(version, users_default=11)
    raised = judge_levels(AccessRule(rule), more, PEOPLE, guests_inside=True, before=had)
    assert (kept, gone, raised) == (None, None, RoomReason.USERS_DEFAULT)


@pytest.mark.parametrize(("version", "users"), [("11", {ANA: 100, ALICE: 100}), ("12", {})])
def test_a_new_room_lets_moderators_name_it_and_owners_alone_change_what_holds_it(version, users):
    made = starting_levels(version, ANA, trusted=[ALICE])
    assert made["users"] == users
    moderators = {kind for kind, level in made["events"].items() if level == 50}
    owners = {kind for kind, level in made["events"].items() if level == 100}
    assert moderators == {"m.room.name", "m.room.canonical_alias", "m.room.avatar"}
    assert owners == {
        RULE_EVENT,
        "m.room.power_levels",
        "m.room.history_visibility",
        "m.room.tombstone",
        "m.room.server_acl",
        "m.room.encryption",
    }
