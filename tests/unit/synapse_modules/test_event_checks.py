"""For an event that concerns none of our checks Synapse loads no state; every other goes its whole way."""

from types import SimpleNamespace

import pytest

from domain_rules.rooms import guest_permissions
from domain_rules.rooms.events import JUDGES
from domain_rules.synapse_modules import event_checks
from domain_rules.synapse_modules.guest_rules import GuestRules
from domain_rules.synapse_modules.room_access import REDACTION, RoomAccess
from tests.worlds.module_synapse import run

OURS = (GuestRules.is_judged, RoomAccess.is_judged)
MESSAGE = SimpleNamespace(type="m.room.message", is_state=lambda: False)


class Rules:
    """The part of Synapse that calls the callbacks, as far as it is used here."""

    def __init__(self, *callbacks):
        self._check_event_allowed_callbacks = list(callbacks)
        self.loaded = []

    async def check_event_allowed(self, event, context):
        assert context is None
        self.loaded.append(event.type)
        return True, {"another": "event"}


def synapse(rules):
    return SimpleNamespace(_callbacks=SimpleNamespace(third_party_event_rules=rules))


def test_a_message_is_allowed_without_the_state_of_its_room():
    rules = Rules("guests", "rooms")
    assert event_checks.spare(synapse(rules), OURS)
    assert run(rules.check_event_allowed(MESSAGE, None)) == (True, None)
    assert rules.loaded == []


@pytest.mark.parametrize("kind", sorted({*JUDGES, *guest_permissions.JUDGED_EVENTS, REDACTION}))
def test_what_one_of_ours_judges_goes_its_whole_way(kind):
    rules = Rules("guests", "rooms")
    event_checks.spare(synapse(rules), OURS)
    event = SimpleNamespace(type=kind, is_state=lambda: True)
    assert run(rules.check_event_allowed(event, None)) == (True, {"another": "event"})
    assert rules.loaded == [kind]


def test_another_module_hears_of_every_event_also_if_it_comes_later():
    rules = Rules("guests", "rooms")
    event_checks.spare(synapse(rules), OURS)
    rules._check_event_allowed_callbacks.append("of another module")
    assert run(rules.check_event_allowed(MESSAGE, None)) == (True, {"another": "event"})


def test_another_module_hears_of_every_event_also_if_synapse_makes_a_new_list():
    rules = Rules("guests", "rooms")
    event_checks.spare(synapse(rules), OURS)
    rules._check_event_allowed_callbacks = ["guests", "rooms", "of another module"]
    assert run(rules.check_event_allowed(MESSAGE, None)) == (True, {"another": "event"})


def test_without_callbacks_of_ours_another_module_hears_of_every_event_too():
    rules = Rules("of another module")
    event_checks.spare(synapse(rules), ())
    run(rules.check_event_allowed(MESSAGE, None))
    assert rules.loaded == ["m.room.message"]


def test_a_synapse_that_is_built_differently_stays_as_it_is():
    assert not event_checks.spare(SimpleNamespace(), OURS)
    assert not event_checks.spare(synapse(SimpleNamespace()), OURS)


def test_a_synapse_that_asks_for_more_stays_as_it_is():
    class Later(Rules):
        async def check_event_allowed(self, event, context, requester):
            return True, {"asked by": requester}

    rules = Later("guests", "rooms")
    assert not event_checks.spare(synapse(rules), OURS)
    assert run(rules.check_event_allowed(MESSAGE, None, "ana")) == (True, {"asked by": "ana"})
