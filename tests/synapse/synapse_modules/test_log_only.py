"""A homeserver that only watches: nothing is refused, nothing is changed, everything that would be is counted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from tests.services.guichet_synapse import GuichetHomeserver, Person, started
from tests.services.synapse import FREELY
from tests.services.trusting_synapse import TrustingHomeserver
from tests.worlds.same_actions import Deeds

pytestmark = pytest.mark.synapse


OPEN_DOORS = {
    "enable_registration": True,
    "enable_registration_without_verification": True,
    "rc_room_creation": FREELY,
    "rc_user_directory": FREELY,
    "room_list_publication_rules": [{"action": "allow"}],
}


@pytest.fixture(scope="module")
def both(
    tmp_path_factory, authority, told_guichet
) -> Iterator[tuple[GuichetHomeserver, TrustingHomeserver]]:
    """One that watches, and one without the module."""
    watched = GuichetHomeserver(
        tmp_path_factory.mktemp("watched"),
        authority,
        guichet_url=told_guichet.url,
        module={"mode": "log"},
        **OPEN_DOORS,
    )
    plain = TrustingHomeserver(tmp_path_factory.mktemp("plain"), authority, **OPEN_DOORS)
    told_guichet.sources = {watched.server_name: "guest"}
    with started(watched, plain):
        yield watched, plain


@pytest.fixture(scope="module")
def homeserver(both) -> GuichetHomeserver:
    return both[0]


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_guest_does_what_would_be_refused_and_the_room_is_as_it_was_asked_for(
    homeserver, version
):
    gil, eve = Person(homeserver, f"gil{version}"), Person(homeserver, f"eve{version}")
    before = homeserver.metrics
    room_id = gil.create(preset="trusted_private_chat", invite=[eve.user_id], room_version=version)
    public = gil.create(preset="public_chat", room_version=version)
    assert eve.join(room_id, by=homeserver).ok
    assert eve.join(public, by=homeserver).ok
    types = {event["type"] for event in gil.do("GET", f"/rooms/{quote(room_id)}/state")}
    assert not types & {"im.vector.room.access_rules", "m.room.encryption"}
    if version == "12":
        assert gil.state(room_id, "m.room.create")["additional_creators"] == [eve.user_id]
    else:
        assert gil.state(room_id, "m.room.power_levels")["users"][eve.user_id] == 100
    after = homeserver.metrics
    for reason, times in (
        ("guest_may_not_create_room", 2),
        ("guest_may_not_invite", 1),
        ("guest_may_not_join_uninvited", 1),
        ("guest_may_not_hold_power", 1),
    ):
        name = f'guichet_refusals_total{{mode="log",reason="{reason}"}}'
        assert after[name] - before.get(name, 0) >= times, reason
    assert not any('mode="enforce"' in name for name in after)


def test_it_answers_to_everything_what_a_homeserver_without_the_module_answers(both):
    def everything(on: TrustingHomeserver) -> dict[str, Any]:
        return Deeds(on, *(Person(on, name) for name in ("who", "quentin", "oda"))).everything()

    with ThreadPoolExecutor() as threads:
        watched, plain = threads.map(everything, both)
    assert watched.keys() == plain.keys()
    for what, told in plain.items():
        assert watched[what] == told, what
    refused = {
        name for name, value in both[0].metrics.items() if value and "refusals_total" in name
    }
    assert len(refused) > 8, "much would have been refused"
