"""What homeservers and clients are told of what is frozen, blocked or suspended, at every entrance."""

from datetime import timedelta

import pytest

from identity.app import create_app
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.homeservers import changing as homeserver_changes
from identity.homeservers.models import Homeserver
from identity.invitations import blocks, models as third_party_invitations
from tests.services.peer import Peer
from tests.worlds.api import *
from tests.worlds.programs import CAMILLE, ZOE, Program

GIL = "gil.perrin@association.example"
INVITATION = {"medium": "email", "address": GIL, "room_id": "!room:education.example"}
HOMESERVER = "/api/homeserver/v1"


@pytest.fixture
def camille(public, decided) -> Program:
    return Program(public, decided)


def reason(answer):
    return answer.status_code, answer.json.get("org.guichet.reason")


def stored(services):
    with services.database.reading() as session:
        return third_party_invitations.find_live_of(session, services.now(), CAMILLE)


@pytest.fixture
def told(public, camille, credential):
    """What every entrance by which people are invited answers."""

    def told():
        list_ = {"sender": CAMILLE, "room_id": "!a:x", "people": GIL}
        may = {"sender": CAMILLE, "medium": "email", "address": GIL, "room_id": "!a:x"}
        return {
            "store-invite": reason(camille.post("/store-invite", **INVITATION, sender=CAMILLE)),
            "may-invite": reason(
                public.post(f"{HOMESERVER}/may-invite", json=may, headers=credential)
            ),
            "lists": reason(public.post(f"{HOMESERVER}/lists", json=list_, headers=credential)),
        }

    return told


def test_frozen_invitations_are_refused_everywhere_with_a_reason(told, acts, services, clock):
    acts(freezes.freeze, Frozen.INVITATIONS)
    assert told() == {
        "store-invite": (503, "invitations_frozen"),
        "may-invite": (200, "invitations_frozen"),
        "lists": (503, "invitations_frozen"),
    }
    assert stored(services) == []
    acts(freezes.thaw, Frozen.INVITATIONS)
    assert told()["store-invite"] == (200, None)


def test_a_frozen_domain_is_refused_with_the_time_when_it_ends(camille, acts, clock):
    acts(freezes.freeze, Frozen.DOMAIN, domain="example", until=clock() + timedelta(minutes=10))
    answer = camille.post("/store-invite", **INVITATION, sender=CAMILLE)
    assert reason(answer) == (503, "domain_frozen")
    assert answer.headers["Retry-After"] == "600"
    assert answer.json["org.guichet.until"] == "2027-03-01T09:10:00+00:00"
    clock.advance(minutes=10)
    assert camille.post("/store-invite", **INVITATION, sender=CAMILLE).status_code == 200


def test_a_blocked_inviter_is_refused_everywhere_and_nobody_else(
    told, public, decided, acts, services
):
    acts(blocks.block, CAMILLE, hashes=services.hashes)
    assert told() == {
        "store-invite": (403, "inviter_blocked"),
        "may-invite": (200, "inviter_blocked"),
        "lists": (403, "inviter_blocked"),
    }
    zoe = Program(public, decided, user_id=ZOE)
    assert zoe.post("/store-invite", **INVITATION, sender=ZOE).status_code == 200
    assert acts(blocks.unblock, CAMILLE, hashes=services.hashes)
    assert told()["store-invite"] == (200, None)


def test_a_blocked_inviter_may_revoke_but_not_send_again(
    public, camille, credential, acts, services
):
    camille.post("/store-invite", **INVITATION, sender=CAMILLE)
    [row] = stored(services)
    acts(blocks.block, CAMILLE, hashes=services.hashes)
    path = f"{HOMESERVER}/invitations/{row.id}"
    for verb in ("resend", "extend"):
        answer = public.post(f"{path}/{verb}", json={"sender": CAMILLE}, headers=credential)
        assert reason(answer) == (403, "inviter_blocked"), verb
    assert (
        public.post(f"{path}/revoke", json={"sender": CAMILLE}, headers=credential).status_code
        == 200
    )


def test_a_block_may_revoke_what_is_open(camille, acts, services):
    camille.post("/store-invite", **INVITATION, sender=CAMILLE)
    done = acts(blocks.block, CAMILLE, hashes=services.hashes, revokes=True)
    assert (done.open_invitations, done.revoked) == (1, 1)
    assert stored(services) == []


def test_frozen_sign_ups_close_registration_in_homeservers(public, credential, acts):
    body = {"medium": "email", "address": "ana@ac-rouen.example"}

    def asked():
        return public.post(f"{HOMESERVER}/may-register", json=body, headers=credential).json

    assert asked() == {"allowed": True}
    acts(freezes.freeze, Frozen.SIGN_UPS)
    assert asked() == {"allowed": False, "org.guichet.reason": "sign_ups_frozen"}
    acts(freezes.thaw, Frozen.SIGN_UPS)
    acts(homeserver_changes.retire, "education.example")
    assert asked() == {"allowed": False, "org.guichet.reason": "homeserver_retired"}


@pytest.mark.parametrize(
    "facts", [{"what": Frozen.MAILS}, {"what": Frozen.DOMAIN, "domain": "example"}]
)
def test_a_client_is_told_at_once_that_no_code_will_come(camille, acts, facts):
    acts(freezes.freeze, **facts)
    answer = camille.ask()
    assert reason(answer) == (503, "mails_frozen")
    assert answer.json["errcode"] == "M_EMAIL_SEND_ERROR"


ENTRANCES = [
    ("GET", "/api/homeserver/v1/rules"),
    ("GET", "/api/homeserver/v1/agents?since=0"),
    ("POST", "/api/homeserver/v1/reports"),
    ("POST", "/api/homeserver/v1/may-invite"),
    ("POST", "/api/homeserver/v1/may-register"),
    ("POST", "/api/homeserver/v1/predecessors"),
    ("GET", f"/api/homeserver/v1/invitations?sender={CAMILLE}"),
    ("GET", f"/api/homeserver/v1/lists?sender={CAMILLE}"),
    ("GET", "/_matrix/identity/api/v1/internal-info?medium=email&address=a@x.example"),
    ("POST", "/_matrix/identity/internal/bind"),
]


@pytest.mark.parametrize(("method", "path"), ENTRANCES)
def test_the_credential_of_a_suspended_homeserver_is_refused(
    either, credential, acts, method, path
):
    acts(homeserver_changes.suspend, "education.example")
    answer = either.open(
        path, method=method, json={} if method == "POST" else None, headers=credential
    )
    assert reason(answer) == (403, "homeserver_suspended")
    assert answer.json["errcode"] == "M_FORBIDDEN"
    acts(homeserver_changes.resume, "education.example")
    answer = either.open(
        path, method=method, json={} if method == "POST" else None, headers=credential
    )
    assert answer.status_code != 403


def test_every_path_for_modules_stands_behind_the_guard_that_knows_of_suspension(decided):
    app = create_app(decided)
    paths = {
        rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/homeserver/")
    }
    guards = {
        guard.__name__
        for rule in app.url_map.iter_rules()
        if rule.rule in paths
        for guard in app.before_request_funcs.get(rule.endpoint.partition(".")[0], [])
    }
    assert len(paths) >= 15
    assert guards == {"module_in_homeserver"}


def test_the_people_of_a_suspended_homeserver_are_refused_and_others_are_not(
    public, decided, camille, acts
):
    gil = Program(public, decided, user_id="@gil:guests.example")
    acts(homeserver_changes.suspend, "education.example")
    for answer in (camille.get("/account"), camille.ask(), camille.post("/account/logout")):
        assert reason(answer) == (403, "homeserver_suspended")
    assert gil.get("/account").status_code == 200
    acts(homeserver_changes.resume, "education.example")
    assert camille.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("verb", "expected"),
    [("suspend", (403, "homeserver_suspended")), ("hold", (503, "homeserver_held"))],
)
def test_nobody_signs_in_through_a_homeserver_that_is_stopped_and_it_is_not_asked(
    public, decided, acts, verb, expected
):
    peer = Peer("education.example")
    peer.users["of:Camille="] = CAMILLE
    with decided.database.transaction() as session:
        session.get(Homeserver, "education.example").federation_url = peer.url
    openid = {"access_token": "of:Camille=", "matrix_server_name": "education.example"}
    stranger = Program(public, decided, user_id=None)
    try:
        assert stranger.post("/account/register", **openid).status_code == 200
        asked = len(peer.asked)
        acts(getattr(homeserver_changes, verb), "education.example")
        assert reason(stranger.post("/account/register", **openid)) == expected
        assert len(peer.asked) == asked
    finally:
        peer.close()


def test_readiness_names_what_is_frozen(public, acts):
    assert public.get("/readyz").json["frozen"] == []
    acts(freezes.freeze, Frozen.MAILS)
    acts(freezes.freeze, Frozen.DOMAIN, domain="asso.example")
    told = public.get("/readyz")
    assert (told.status_code, told.json["frozen"]) == (200, ["domain:asso.example", "mails"])
