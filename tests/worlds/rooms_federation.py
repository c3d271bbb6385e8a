"""Three real Synapses for tests of rooms: one of agents and one of guests with our module, and one without it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from identity.core.http_client import JsonClient
from identity.health.checks import readable_rooms
from tests.services.certificates import Authority
from tests.services.guichet_synapse import OF_GUESTS, GuichetHomeserver, Person, started
from tests.services.told_guichet import ToldGuichet, told_rule
from tests.services.told_identity_server import ToldIdentityServer
from tests.services.trusting_synapse import TrustingHomeserver
from tests.services.waiting import wait_for

from .synapse_rooms import RULE, initial, rule_event


@dataclass
class Federation:
    """Ana and Zoe are agents, Gil and Gina guests; Nina is an agent of a homeserver without our module."""

    agents: GuichetHomeserver
    guests: GuichetHomeserver
    bare: TrustingHomeserver
    identity_server: ToldIdentityServer
    ana: Person
    zoe: Person
    gil: Person
    gina: Person
    nina: Person

    def comes(self, *people: Person, room_id: str) -> None:
        for person in people:
            wait_for(
                lambda person=person: person.join(room_id, by=self.agents).ok,
                what=f"{person.user_id} is in",
                pause=0.2,
            )

    def of_owners(self, version: str, **asked: Any) -> str:
        """Ana's and Nina's, with Gil in it, and Zoe who moderates."""
        invited = [self.zoe, self.nina, self.gil]
        room_id = self.ana.create(
            room_version=version,
            invite=[each.user_id for each in invited],
            initial_state=[rule_event("unrestricted")],
            power_level_content_override={
                "users": {self.ana.user_id: 100, self.nina.user_id: 100, self.zoe.user_id: 50}
            },
            **asked,
        )
        self.comes(*invited, room_id=room_id)
        return room_id

    def by_mail(self, address: str) -> dict[str, str]:
        name = self.identity_server.name
        return {"medium": "email", "address": address, "id_server": name, "id_access_token": "any"}


def federated(
    folders: Any, authority: Authority, told_guichet: ToldGuichet
) -> Iterator[Federation]:
    identity_server = ToldIdentityServer(authority.issue("localhost", "127.0.0.1"))
    agents, guests = (
        GuichetHomeserver(
            folders.mktemp(name),
            authority,
            guichet_url=told_guichet.url,
            room_prejoin_state={"additional_event_types": [RULE]},
            **further,
        )
        for name, further in (("agents", {}), ("guests", OF_GUESTS))
    )
    bare = TrustingHomeserver(folders.mktemp("bare"), authority)
    told_guichet.sources = {
        agents.server_name: "agent",
        guests.server_name: "guest",
        bare.server_name: "agent",
    }
    told_guichet.rules = [
        told_rule("domain", "asso.example", "guest", guests.server_name, requires_invite=True),
    ]
    told_guichet.identity_server = identity_server.facts
    with started(agents, guests, bare):
        people = ((agents, "ana"), (agents, "zoe"), (guests, "gil"), (guests, "gina"))
        yield Federation(
            agents,
            guests,
            bare,
            identity_server,
            *(Person(on, name) for on, name in (*people, (bare, "nina"))),
        )
    identity_server.close()


def becomes(person: Person, room_id: str, kind: str, content: dict[str, Any]) -> None:
    wait_for(
        lambda: person.state(room_id, kind) == content,
        what=f"{kind} is {content} for {person.user_id}",
        pause=0.2,
    )


def seen_by_the_doctor(homeserver: GuichetHomeserver) -> str:
    with JsonClient(homeserver.url) as talk:
        found = readable_rooms.check_readable_rooms(
            talk, homeserver.server_name, token=homeserver.admin_token
        )
        return " ".join(each.told for each in found)


def disturbances(federation: Federation) -> dict[str, float]:
    counted = ("guichet_refusals_total", "guichet_callback_failures_total", "guichet_inbound_total")
    return {
        f"{homeserver.server_name} {name}": value
        for homeserver in (federation.agents, federation.guests)
        for name, value in homeserver.metrics.items()
        if name.startswith(counted)
    }


def doors_of(ana: Person, space: str, version: str) -> dict[str, str]:
    """A room for each way in that needs no invitation, by its join rule; two of them open to guests."""
    inside = {"allow": [{"type": "m.room_membership", "room_id": space}]}
    return {
        kind: ana.create(
            room_version=version,
            initial_state=[rule_event(rule), initial("m.room.join_rules", join_rule=kind, **more)],
        )
        for kind, rule, more in (
            ("public", "restricted", {}),
            ("restricted", "unrestricted", inside),
            ("knock_restricted", "restricted", inside),
            ("knock", "unrestricted", {}),
        )
    }
