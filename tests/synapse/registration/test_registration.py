"""Registration by mail through Synapse's own API: on the right homeserver, and for guests with a live invitation.

One Synapse in three configurations, one after the other: with our module, with the public module
`threepid-checker` pointed at /internal-info, and with the Matrix Authentication Service enabled.
"""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.findings import State
from identity.core.http_client import JsonClient
from identity.health.checks import exposure as homeserver_doors, proxy_exposure as homeserver_proxy
from identity.invitations import service as invitations
from identity.invitations.models import ThirdPartyInvitation
from tests.services.guichet_synapse import CLIENT
from tests.services.processes import Processes
from tests.services.smtp import Relay
from tests.services.waiting import LOOPBACK, free_port, wait_for
from tests.worlds.registering import Candidate, Door, GuestHomeserver

pytestmark = [pytest.mark.synapse, pytest.mark.processes]

AGENTS = "agents.example"


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    relay = Relay()
    relay.start()
    yield relay
    relay.stop()


@pytest.fixture(scope="module")
def processes(tmp_path_factory) -> Iterator[Processes]:
    processes = Processes(tmp_path_factory.mktemp("guichet"))
    yield processes
    processes.end_all()


@pytest.fixture(scope="module")
def door(tmp_path_factory, authority, processes, relay) -> Iterator[Door]:
    """A homeserver of guests beside one of agents, both known to Guichet; the first is not started yet."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    homeserver = GuestHomeserver(tmp_path_factory.mktemp("guests"), authority, guichet_url=url)
    env = {"GUICHET_PUBLIC_URL": url, "GUICHET_INTERNAL_LISTEN": ""}
    door = Door(homeserver, relay, processes, env, port)
    add = ("homeserver", "add", homeserver.server_name, "--url", homeserver.url, "--guests")
    homeserver.take(door.guichet(*add)["credential"])
    door.guichet("homeserver", "add", AGENTS, "--url", homeserver.url)
    told = door.guichet("domain", "add", "ac-rouen.example", "--homeserver", AGENTS)
    door.revision = told["revision"]
    door.internal_url = processes.web(env, internal=True).url
    door.open_guichet()
    yield door
    homeserver.end()


@pytest.fixture(scope="module", params=["checker", "ours"])
def module(request) -> str:
    """The public module, then ours: of this scope, so that Synapse starts anew only once."""
    return request.param


@pytest.fixture
def gated(door, module) -> Door:
    door.be(module)
    return door


@pytest.fixture
def ours(door) -> Door:
    door.be("ours")
    return door


@pytest.fixture(scope="module")
def database(processes, door) -> Iterator[Database]:
    database = Database(make_engine(f"sqlite:///{processes.folder / 'var/guichet.db'}"))
    yield database
    database.engine.dispose()


@pytest.fixture
def invite(database):
    """As an agent's homeserver stored it; says which."""

    def invite(address: str, *, until=timedelta(days=30)) -> uuid.UUID:
        now, name = utc_now(), uuid.uuid4().hex
        invitation = ThirdPartyInvitation(
            address=address,
            room_id=f"!room:{AGENTS}",
            sender=f"@zoe:{AGENTS}",
            token=name,
            public_key=name,
            sealed_key="sealed",
            signing_key_id="ed25519:0",
            facts={},
            for_guest=True,
            created_at=now - timedelta(days=40),
            expires_at=now + until,
        )
        with database.transaction() as session:
            session.add(invitation)
            session.flush()
            return invitation.id

    return invite


@pytest.fixture
def revoke(database):
    def revoke(invitation_id: uuid.UUID) -> None:
        with database.transaction() as session:
            invitation = session.get_one(ThirdPartyInvitation, invitation_id)
            assert invitations.revoke(session, utc_now(), invitation, by="zoe", in_room=False)

    return revoke


def looked_at(door: Door) -> list[str]:
    """What the doctor would have mended."""
    homeserver = door.homeserver
    facts = {"class_source": "guest", "token": homeserver.admin_token}
    with JsonClient(homeserver.url) as talk:
        found = homeserver_doors.check_exposure(
            talk, homeserver.server_name, revision=door.revision, **facts
        )
        return [each.told for each in found if each.state is not State.OK]


def assert_denied(answer: requests.Response) -> None:
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_THREEPID_DENIED")


def test_who_was_invited_gets_an_account(gated, invite):
    lea = Candidate(gated)
    invite(lea.address)
    assert lea.order_mail().ok
    lea.open_mail()
    made = lea.register()
    assert made.ok, made.text
    assert made.json()["user_id"].endswith(f":{gated.homeserver.server_name}")


def test_who_was_not_invited_or_whose_invitation_ended_gets_no_mail(gated, invite, revoke):
    invite(Candidate(gated).address)
    never, late, unwanted = (Candidate(gated) for _ in range(3))
    invite(late.address, until=timedelta(seconds=-1))
    revoke(invite(unwanted.address))
    for candidate in (never, late, unwanted):
        assert_denied(candidate.order_mail())
        assert not gated.relay.to(candidate.address)


def test_an_agents_address_belongs_elsewhere_even_with_an_invitation(gated, invite):
    ana = Candidate(gated, address=f"ana{uuid.uuid4().hex[:8]}@ac-rouen.example")
    invite(ana.address)
    assert_denied(ana.order_mail())


def test_an_invitation_that_is_revoked_between_mail_and_account_counts_no_more(
    gated, invite, revoke
):
    lea = Candidate(gated)
    invitation = invite(lea.address)
    assert lea.order_mail().ok
    lea.open_mail()
    revoke(invitation)
    assert_denied(lea.register())


def test_a_guests_user_id_shows_no_address_and_the_name_does(ours, invite):
    lea = Candidate(ours, address=f"lea.petit+{uuid.uuid4().hex[:8]}@asso.example")
    invite(lea.address)
    assert lea.order_mail().ok
    lea.open_mail()
    made = lea.register().json()
    localpart = made["user_id"][1:].partition(":")[0]
    assert localpart.startswith("guest-")
    path = f"{CLIENT}/profile/{made['user_id']}/displayname"
    told = ours.homeserver.call("GET", path, token=made["access_token"])
    assert told.json() == {"displayname": "Lea Petit"}


def test_without_guichet_nobody_comes_in_and_no_address_is_logged(ours, invite):
    lea = Candidate(ours)
    invite(lea.address)
    ours.web.kill()
    try:
        assert_denied(lea.order_mail())
    finally:
        ours.open_guichet()
    log = ours.homeserver.log
    assert "registration_guichet_away" in log
    about_us = [
        line for line in log.splitlines() if "domain_rules" in line or "may-register" in line
    ]
    assert about_us
    assert not [line for line in about_us if "asso.example" in line]
    # The module asks again once one of its polls was answered.
    wait_for(lambda: lea.order_mail().ok, what="somebody comes in", pause=1)


def test_the_doctor_finds_its_doors_closed_and_the_revision_it_decides_by(ours):
    assert looked_at(ours) == []


def test_the_doctor_names_the_key_without_which_agents_do_not_find_each_other(ours):
    facts = {"class_source": "agent", "token": ours.homeserver.admin_token, "url": None}
    name = ours.homeserver.server_name
    with JsonClient(ours.homeserver.url) as talk:
        [finding] = homeserver_proxy.check_proxy(talk, talk, name, **facts)
    assert finding.state is State.ATTENTION
    assert "search_all_users: true" in finding.fix


def test_beside_the_authentication_service_synapse_starts_and_says_what_is_not_enforced(door):
    door.be("mas")
    log = door.homeserver.log
    assert "NOT ENFORCED on this homeserver" in log
    assert "registration_gate" in log[log.rindex("Guichet's module is on") :].splitlines()[0]
    answer = requests.post(f"{door.homeserver.url}{CLIENT}/register", json={}, timeout=60)
    assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN")
