"""Accounts on a real Synapse: made whole, finished after an interruption, never taken over."""

import dataclasses
import time
import uuid

import pytest
import requests
from pydantic import SecretStr

from identity.core.http_client import Answer, Away
from identity.homeservers.admin_client import (
    Found,
    NameTaken,
    NewAccount,
    Refused,
    SynapseConnector,
)
from tests.services.peer import Peer
from tests.services.serving import serve_once

PASSWORD = "correct horse battery staple"


@pytest.fixture
def connector(synapse):
    return SynapseConnector(
        synapse.url,
        registration_secret=SecretStr(synapse.registration_secret),
        admin_token=SecretStr(synapse.admin_token),
    )


@pytest.fixture
def wanted(synapse):
    name = f"ana.{uuid.uuid4().hex[:8]}"
    return NewAccount(
        user_id=f"@{name}-ac=2drouen.example:{synapse.server_name}",
        display_name="Ana Petit [Rouen]",
        address=f"{name}@ac-rouen.example",
        password=SecretStr(PASSWORD),
        mark=f"guichet-{uuid.uuid4().hex}",
    )


def login(synapse, identifier, password):
    return requests.post(
        f"{synapse.url}/_matrix/client/v3/login",
        json={"type": "m.login.password", "identifier": identifier, "password": password},
        timeout=60,
    )


def by_user(user_id):
    return {"type": "m.id.user", "user": user_id}


def client(synapse, token, path):
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{synapse.url}/_matrix/client/v3{path}", headers=headers, timeout=60)
    return answer.json()


def test_an_account_is_made_with_address_name_and_password(synapse, connector, wanted):
    assert connector.look(wanted) is Found.NOTHING
    connector.create(wanted, lambda: None)
    by_mail = {"type": "m.id.thirdparty", "medium": "email", "address": wanted.address}
    session = login(synapse, by_mail, PASSWORD).json()
    assert session["user_id"] == wanted.user_id
    token = session["access_token"]
    threepids = client(synapse, token, "/account/3pid")["threepids"]
    assert [(t["medium"], t["address"]) for t in threepids] == [("email", wanted.address)]
    assert (
        client(synapse, token, f"/profile/{wanted.user_id}")["displayname"] == "Ana Petit [Rouen]"
    )
    assert len(client(synapse, token, "/devices")["devices"]) == 1, "the person's own login alone"


def test_an_existing_user_id_keeps_password_devices_and_address(synapse, connector, wanted):
    connector.create(wanted, lambda: None)
    before = login(synapse, by_user(wanted.user_id), PASSWORD).json()
    other = dataclasses.replace(
        wanted,
        address=f"other.{wanted.address}",
        password=SecretStr("another password entirely"),
        mark="guichet-of-somebody-else",
    )
    assert connector.look(other) is Found.NAME_TAKEN
    with pytest.raises(NameTaken):
        connector.create(other, lambda: None)
    assert client(synapse, before["access_token"], "/devices")["devices"]
    assert login(synapse, by_user(wanted.user_id), PASSWORD).status_code == 200
    assert login(synapse, by_user(wanted.user_id), "another password entirely").status_code == 403
    threepids = client(synapse, before["access_token"], "/account/3pid")["threepids"]
    assert [t["address"] for t in threepids] == [wanted.address]


def test_an_address_that_an_account_holds_is_not_moved(synapse, connector, wanted):
    connector.create(wanted, lambda: None)
    other = dataclasses.replace(wanted, user_id=wanted.user_id.replace("@", "@other."))
    assert connector.look(other) is Found.ADDRESS_HELD


def test_an_account_begun_before_an_interruption_is_known_by_its_mark_and_finished(
    synapse, connector, wanted
):
    begun = dataclasses.replace(wanted, password=SecretStr("typed before the interruption"))
    with connector._talk() as talk:
        connector._register(talk, begun)
    assert connector.look(wanted) is Found.BEGUN
    connector.finish(wanted)
    assert connector.look(wanted) is Found.FINISHED
    session = login(synapse, by_user(wanted.user_id), PASSWORD).json()
    assert client(synapse, session["access_token"], "/account/3pid")["threepids"]


def test_who_has_an_address_is_told_with_what_else_is_known_of_the_account(
    synapse, connector, wanted
):
    assert connector.holder_of(wanted.address) is None
    assert connector.describe(wanted.user_id) is None
    connector.create(wanted, lambda: None)
    assert connector.holder_of(wanted.address) == wanted.user_id
    found = connector.describe(wanted.user_id)
    assert (found.display_name, found.addresses) == (wanted.display_name, (wanted.address,))
    assert not found.is_deactivated
    done = requests.post(
        f"{synapse.url}/_synapse/admin/v1/deactivate/{wanted.user_id}",
        headers={"Authorization": f"Bearer {synapse.admin_token}"},
        json={},
        timeout=60,
    )
    assert done.status_code == 200
    assert connector.describe(wanted.user_id).is_deactivated
    assert connector.holder_of(wanted.address) is None


def test_wrong_secrets_are_refused_not_taken_for_an_absence(synapse, connector, wanted):
    def with_(**secrets):
        given = {
            "registration_secret": SecretStr(synapse.registration_secret),
            "admin_token": SecretStr(synapse.admin_token),
        } | secrets
        return SynapseConnector(synapse.url, **given)

    with pytest.raises(Refused):
        with_(registration_secret=SecretStr("wrong")).create(wanted, lambda: None)
    with pytest.raises(Refused):
        with_(admin_token=SecretStr("wrong")).look(wanted)
    with pytest.raises(Refused):
        with_(admin_token=SecretStr("wrong")).probe()
    connector.probe()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


@pytest.mark.faults
@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (HEAD + b"<html>a proxy's page</html>", 0),
        (HEAD + b"[1, 2]", 0),
        (HEAD + b'{"a": "' + b"x" * 10_000_000 + b'"}', 0),
        (HEAD + b'{"a": "' + b"x" * 100, 0.1),
        (HEAD.replace(b"200", b"502") + b"{}", 0),
        (HEAD.replace(b"200 OK", b"302 Found\r\nLocation: http://127.0.0.1:1/"), 0),
        (b"", 0),
        (HEAD.replace(b"Connection", b"Content-Length: 99\r\nConnection") + b"{}", 0),
        (HEAD.replace(b"Connection", b"Transfer-Encoding: chunked\r\nConnection") + b"zz", 0),
        (HEAD.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection") + b"{}", 0),
        (HEAD.replace(b"Connection", b"Content-Length: 99\r\nConnection") + b"{" * 99, 0.1),
    ],
    ids=[
        *("html", "no object", "10 MB", "a byte at a time", "502", "redirect", "closed"),
        *("cut short", "no chunk", "no gzip", "99 bytes, one at a time"),
    ],
)
def test_a_homeserver_that_answers_badly_is_away_and_costs_no_more_than_its_time(
    answer, pause, wanted_nowhere, record_fault
):
    began = time.monotonic()
    connector = SynapseConnector(
        serve_once(answer, pause=pause),
        registration_secret=SecretStr("s"),
        admin_token=SecretStr("t"),
        seconds=1,
    )
    with pytest.raises(Away):
        connector.look(wanted_nowhere)
    record_fault(
        "homeserver: 502, a page of HTML, 10 MB, a byte at a time, and the like",
        tried=1,
        survived=1,
        seconds=time.monotonic() - began,
        said="away, after 1 s at most by the clock of the call",
    )


@pytest.mark.faults
def test_a_homeserver_that_is_not_there_is_away(wanted_nowhere, record_fault):
    began = time.monotonic()
    connector = SynapseConnector(
        "http://127.0.0.1:1", registration_secret=SecretStr("s"), admin_token=SecretStr("t")
    )
    with pytest.raises(Away) as caught:
        connector.look(wanted_nowhere)
    assert wanted_nowhere.address not in str(caught.value)
    record_fault(
        "homeserver: nobody listens",
        tried=1,
        survived=1,
        seconds=time.monotonic() - began,
        said="away at once",
    )


@pytest.fixture
def wanted_nowhere():
    return NewAccount("@a:b.example", "A", "a@b.example", SecretStr(PASSWORD), "guichet-mark")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_for_tests_any_certificate_may_be_taken_for_the_administration_too(authority):
    peer = Peer("a.example", authority.issue("elsewhere.example"))
    secrets = {"registration_secret": SecretStr("s"), "admin_token": SecretStr("t")}
    try:
        with pytest.raises(Away):
            SynapseConnector(peer.url, **secrets).probe()
        assert peer.asked == []
        with pytest.raises(Refused):
            SynapseConnector(peer.url, insecure=True, **secrets).probe()
    finally:
        peer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"user_id": 5}',
        b'{"user_id": null}',
        b'{"user_id": ' + b"[" * 300_000,
        b'{"user_id": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"user_id": NaN}',
        b'{"nonce": "\\ud800"}',
        b'{"nonce": "a\\u0000b"}',
    ],
)
def test_an_administration_api_that_answers_nonsense_is_away(raw):
    """A proof of the address is kept then, as for a homeserver that does not answer at all."""
    peer = Peer("education.example")
    peer.raw = (200, raw)
    connector = SynapseConnector(
        peer.url, registration_secret=SecretStr("secret"), admin_token=SecretStr("token")
    )
    account = NewAccount(
        "@ana:education.example", "Ana", "ana@ac-rouen.example", SecretStr(PASSWORD), "mark"
    )
    try:
        with pytest.raises(Away):
            connector.look(account)
        with pytest.raises(Away):
            connector.describe(account.user_id)
        made: list[bool] = []
        with pytest.raises(Away):
            connector.create(account, lambda: made.append(True))
        # The first answer already made no sense: nothing was made, so nothing is ours.
        assert made == []
    finally:
        peer.close()


@pytest.fixture
def asked_of_rooms():
    peer = Peer("education.example")
    connector = SynapseConnector(
        peer.url, registration_secret=SecretStr("secret"), admin_token=SecretStr("token")
    )

    def asked_of_rooms(raw):
        peer.raw = (200, raw)
        return connector

    yield asked_of_rooms
    peer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"memberships": []}',
        b'{"memberships": null}',
        b'{"memberships": {"!room": 5}}',
        b'{"memberships": {"!room": ["join"]}}',
        b'{"memberships": {"!room": "joined"}}',
        b'{"memberships": {"!room": ""}}',
        b'{"joined_rooms": ["!room"]}',
    ],
)
def test_nonsense_about_who_is_in_a_room_is_no_answer(asked_of_rooms, raw):
    """Taken for "never there", it would throw who has joined back to invited."""
    with pytest.raises(Away):
        asked_of_rooms(raw).membership("@ana:education.example", "!room")


def test_who_never_had_to_do_with_a_room_is_not_in_it(asked_of_rooms):
    connector = asked_of_rooms(b'{"memberships": {"!other": "join"}}')
    assert connector.membership("@ana:education.example", "!room") is None
    assert connector.membership("@ana:education.example", "!other") == "join"


@pytest.mark.parametrize("raw", [b"{}", b'{"state": {}}', b'{"state": null}', b'{"events": []}'])
def test_nonsense_about_what_stands_in_a_room_is_no_answer(asked_of_rooms, raw):
    """Taken for a no, it would end the invitation."""
    with pytest.raises(Away):
        asked_of_rooms(raw).holds_invitation("!room", "token")


@pytest.mark.parametrize("state", [b"[]", b"[5, null, {}]"])
def test_a_room_without_the_invitation_does_not_hold_it(asked_of_rooms, state):
    connector = asked_of_rooms(b'{"state": ' + state + b"}")
    assert not connector.holds_invitation("!room", "token")


@pytest.mark.parametrize(
    "said", ["a\0b", "\ud800", "x" * 100_000, 5, None, ["M_FORBIDDEN"], "é", ""]
)
def test_a_refusal_is_kept_by_its_code_or_not_at_all(said):
    """What a homeserver says there is logged and stored."""
    assert Answer(403, {"errcode": said}).errcode == ""
    assert Answer(403, {"errcode": "M_FORBIDDEN"}).errcode == "M_FORBIDDEN"
