"""Every callback that could begin a conversation, and what it answers to whom."""

import inspect
from types import SimpleNamespace

import pytest

from domain_rules.synapse_modules.configuration import Mode
from domain_rules.synapse_modules.guest_rules import GuestRules
from tests.worlds.module import *
from tests.worlds.module_synapse import (
    ANA,
    GIL,
    GUESTS,
    MIA,
    OTHER,
    Process,
    Refused,
    Synapse,
    Told,
    process,
    run,
)

ROOM = "!room:agents.example"
BOSS = f"@boss:{GUESTS}"
CALLS = {
    "user_may_create_room": (),
    "user_may_invite": (ANA, ROOM),
    "user_may_send_3pid_invite": ("email", "a@interieur.example", ROOM),
    "user_may_join_room": (ROOM, False),
    "user_may_create_room_alias": ("#a:guests.example",),
    "user_may_publish_room": (ROOM,),
}
REASONS = {
    "user_may_create_room": "guest_may_not_upgrade_room",
    "user_may_invite": "guest_may_not_invite",
    "user_may_send_3pid_invite": "guest_may_not_invite_by_mail",
    "user_may_join_room": "guest_may_not_join_uninvited",
    "user_may_create_room_alias": "guest_may_not_make_alias",
    "user_may_publish_room": "guest_may_not_publish_room",
}


class House:
    """A homeserver of guests with this part in it."""

    def __init__(self, there: Process) -> None:
        self.there, self.synapse, self.refusals = there, there.synapse, there.refusals
        GuestRules(there.context)

    def ask(self, callback, *facts):
        return run(self.synapse.callbacks[callback](*facts))

    def is_allowed(self, callback, *facts):
        """Synapse compares with `is`."""
        return self.ask(callback, *facts) is self.refusals.terms.not_spam

    def send(self, sender, event_type, *, state_key="", state=None, **content):
        event = SimpleNamespace(
            sender=sender, type=event_type, state_key=state_key, content=content
        )
        return self.ask("check_event_allowed", event, state or {})

    def create(self, user_id, *, is_admin=False, **asked):
        requester = SimpleNamespace(user=SimpleNamespace(to_string=lambda: user_id))
        self.ask("on_create_room", requester, asked, is_admin)
        return asked


@pytest.fixture
def house():
    return House(process(GUESTS))


@pytest.fixture
def watching():
    return House(process(GUESTS, mode=Mode.LOG))


def reason_of(refused: pytest.ExceptionInfo) -> str:
    return refused.value.fields["org.guichet.reason"]


@pytest.mark.parametrize("callback", CALLS)
def test_a_guest_is_refused_with_the_code_and_a_reason_in_both_languages(house, callback):
    code, fields = house.ask(callback, GIL, *CALLS[callback])
    assert code == "M_FORBIDDEN"
    assert fields["org.guichet.reason"] == REASONS[callback]
    assert set(fields["org.guichet.message"]) == {"fr", "en"}
    assert fields["org.guichet.message"]["fr"].startswith("Les invités")


@pytest.mark.parametrize("callback", CALLS)
def test_an_agent_passes_and_nobody_is_asked(house, callback):
    assert house.is_allowed(callback, ANA, *CALLS[callback])
    assert house.synapse.asked_about == []


@pytest.mark.parametrize("callback", CALLS)
def test_an_administrator_passes_and_each_use_is_logged(house, callback, caplog):
    house.synapse.database.execute("INSERT INTO users VALUES (?, 1)", (BOSS,))
    assert house.is_allowed(callback, BOSS, *CALLS[callback])
    assert f"{BOSS} is exempt, would otherwise be refused: {REASONS[callback]}" in caplog.text


@pytest.mark.parametrize("callback", CALLS)
def test_a_listed_account_passes_and_each_use_is_logged(callback, caplog):
    house = House(process(GUESTS, exempt=frozenset({GIL})))
    assert house.is_allowed(callback, GIL, *CALLS[callback])
    assert f"{GIL} is exempt" in caplog.text


@pytest.mark.parametrize("callback", [each for each in CALLS if each != "user_may_create_room"])
def test_watching_only_lets_a_guest_pass_and_counts(watching, callback):
    assert watching.is_allowed(callback, GIL, *CALLS[callback])
    [kept] = watching.refusals.drain()
    assert (kept.reason, kept.user_id, kept.is_enforced) == (REASONS[callback], GIL, False)


@pytest.mark.parametrize("callback", CALLS)
def test_a_fault_of_ours_closes_for_guests_and_opens_for_agents(house, callback, caplog):
    async def broken():
        raise RuntimeError("broken")

    house.there.cache.connect(broken, broken)
    code, fields = house.ask(callback, GIL, *CALLS[callback])
    assert (code, fields["org.guichet.reason"]) == ("M_FORBIDDEN", "not_allowed")
    assert house.is_allowed(callback, ANA, *CALLS[callback])
    assert "a fault in" in caplog.text


@pytest.mark.parametrize("event_type", ["m.room.tombstone", "m.room.create"])
def test_a_fault_is_no_500_where_events_are_judged(house, event_type):
    async def broken():
        raise RuntimeError("broken")

    house.there.cache.connect(broken, broken)
    with pytest.raises(Refused) as refused:
        house.send(GIL, event_type, replacement_room="!new")
    assert reason_of(refused) == "not_allowed"
    assert house.send(ANA, event_type, replacement_room="!new") == (True, None)
    with pytest.raises(Refused):
        house.create(GIL)
    house.create(ANA)


def test_synapse_copies_no_request_for_the_question_about_rooms(house):
    """It would for a second parameter, and cannot copy everything that modules leave in a request."""
    callback = house.synapse.callbacks["user_may_create_room"]
    assert len(inspect.signature(callback).parameters) == 1


def test_a_guest_joins_by_invitation_and_changes_the_profile_where_they_are(house):
    assert house.is_allowed("user_may_join_room", GIL, ROOM, True)
    assert not house.is_allowed("user_may_join_room", GIL, ROOM, False)
    house.synapse.has_member(ROOM, GIL, "join")
    assert house.is_allowed("user_may_join_room", GIL, ROOM, False)
    house.synapse.has_member(ROOM, GIL, "leave")
    assert not house.is_allowed("user_may_join_room", GIL, ROOM, False)


def test_an_invitation_from_a_distant_guest_does_not_arrive(house):
    event = SimpleNamespace(sender="@eve:guests.example", state_key=GIL, room_id=ROOM)
    _, fields = house.ask("federated_user_may_invite", event)
    assert fields["org.guichet.reason"] == "guest_may_not_invite"
    event.sender = ANA
    assert house.is_allowed("federated_user_may_invite", event)


def test_a_distant_person_whose_class_is_not_known_hears_that(house):
    house.there.told.is_away = True
    house.there.poll(seconds=61)
    event = SimpleNamespace(sender=f"@oda:{OTHER}", state_key=GIL, room_id=ROOM)
    _, fields = house.ask("federated_user_may_invite", event)
    assert fields["org.guichet.reason"] == "class_not_yet_known"


def test_before_guichet_was_ever_heard_a_person_hears_that_the_class_is_not_known():
    house = House(Process(Synapse(GUESTS), Told(GUESTS, is_away=True)).begin())
    _, fields = house.ask("user_may_create_room", GIL)
    assert fields["org.guichet.reason"] == "class_not_yet_known"


def test_a_request_to_create_a_room_is_refused_before_other_parts_see_it(house):
    with pytest.raises(Refused) as refused:
        house.create(GIL, visibility="public")
    assert refused.value.status == 403
    assert reason_of(refused) == "guest_may_not_create_room"
    assert house.create(ANA, name="Cellule") == {"name": "Cellule"}


def test_a_guest_who_is_invited_to_a_trusted_conversation_gets_no_power(house):
    state = [{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
    asked = house.create(
        ANA, preset="trusted_private_chat", invite=[GIL, ANA], is_direct=True, initial_state=state
    )
    assert asked == {
        "preset": "private_chat",
        "invite": [GIL, ANA],
        "is_direct": True,
        "initial_state": state,
    }
    among_agents = house.create(ANA, preset="trusted_private_chat", invite=[ANA])
    assert among_agents["preset"] == "trusted_private_chat"


def test_watching_only_counts_a_deed_once_whoever_asks_about_it(watching):
    watching.create(GIL)
    watching.ask("user_may_create_room", GIL)
    watching.send(GIL, "m.room.create")
    event = SimpleNamespace(sender=f"@oda:{OTHER}", state_key=GIL, room_id=ROOM)
    watching.ask("federated_user_may_invite", event)
    watching.ask("user_may_invite", event.sender, GIL, ROOM)
    watching.send(GIL, "m.room.member", state_key=GIL, membership="knock")
    assert [kept.reason for kept in watching.refusals.drain()] == [
        "guest_may_not_create_room",
        "guest_may_not_invite",
        "guest_may_not_knock",
    ]


def test_watching_only_changes_no_request(watching):
    asked = {"preset": "trusted_private_chat", "invite": [GIL]}
    assert watching.create(ANA, **asked) == asked
    named = {"creation_content": {"additional_creators": [GIL]}}
    assert watching.create(ANA, **named) == named
    assert watching.create(GIL) == {}


@pytest.mark.parametrize("is_admin", [True, False])
def test_a_guest_is_named_as_a_creator_by_nobody(house, is_admin):
    with pytest.raises(Refused) as refused:
        house.create(ANA, is_admin=is_admin, creation_content={"additional_creators": [ANA, GIL]})
    assert reason_of(refused) == "guest_may_not_be_creator"
    with pytest.raises(Refused) as refused:  # an upgrade: only its create event is seen
        house.send(ANA, "m.room.create", additional_creators=[MIA], predecessor={"room_id": "!a"})
    assert reason_of(refused) == "guest_may_not_be_creator"


@pytest.mark.parametrize(
    ("event_type", "content", "reason"),
    [
        ("m.room.member", {"membership": "knock"}, "guest_may_not_knock"),
        ("m.room.member", {"membership": "invite"}, "guest_may_not_invite"),
        ("m.room.member", {"membership": "join"}, "guest_may_not_join_uninvited"),
        ("m.room.tombstone", {"replacement_room": "!new"}, "guest_may_not_upgrade_room"),
        ("m.room.third_party_invite", {"display_name": "a"}, "guest_may_not_invite_by_mail"),
        ("m.room.canonical_alias", {"alias": "#a:x"}, "guest_may_not_make_alias"),
    ],
)
def test_events_that_start_something_are_refused_from_guests_near_and_far(
    house, event_type, content, reason
):
    for guest in (GIL, f"@oda:{OTHER}"):
        with pytest.raises(Refused) as refused:
            house.send(guest, event_type, state_key=guest, **content)
        assert reason_of(refused) == reason
    assert house.send(ANA, event_type, state_key=ANA, **content) == (True, None)


def test_what_answers_is_not_looked_at(house):
    invitation = SimpleNamespace(sender=ANA, content={"membership": "invite"})
    invited = {("m.room.member", GIL): invitation}
    assert house.send(GIL, "m.room.member", state_key=GIL, state=invited, membership="join")
    assert house.send(GIL, "m.room.message", body="Bonjour") == (True, None)
    assert house.send(GIL, "m.room.member", state_key=GIL, membership="leave") == (True, None)


def test_who_created_a_room_by_exemption_comes_into_it(house):
    created = {("m.room.create", ""): SimpleNamespace(sender=GIL)}
    assert house.send(GIL, "m.room.member", state_key=GIL, state=created, membership="join")
