"""Homeservers are asked whose a token is and which keys are theirs: registered ones, and nobody else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from identity.homeservers.calls import HomeserverCalls
from identity.homeservers.federation_client import Federation, FederationEndpoint, read_x_matrix
from identity.problems import (
    HomeserverSilent,
    NotAllowed,
    NotOfFederation,
    OpenIdRefused,
)
from tests.services.peer import Peer

NAME = "education.example"
US = ("guichet.example", "localhost:18090")
REQUEST = {
    "method": "POST",
    "uri": "/_matrix/identity/v2/3pid/unbind",
    "content": {
        "mxid": f"@ana:{NAME}",
        "threepid": {"medium": "email", "address": "ana@a.example"},
    },
}


@pytest.fixture
def database_url(sqlite_url) -> str:
    """The breakers are tested on both databases elsewhere."""
    return sqlite_url


@pytest.fixture
def places() -> dict[str, FederationEndpoint]:
    return {}


@pytest.fixture
def peer(places, clock):
    made = Peer(NAME)
    made.publish_until(clock() + timedelta(days=2))
    places[NAME] = FederationEndpoint(NAME, made.url)
    yield made
    made.close()


@pytest.fixture
def federation(places, clock, database) -> Federation:
    return Federation(places.get, clock, HomeserverCalls(database, clock))


def verify(federation, header, **changed) -> str:
    return federation.verify_x_matrix(header, our_names=US, **(REQUEST | changed))


@pytest.mark.parametrize("token", ["abc", "a:b=c d&e+f/é%41", "@ana:x.example"])
def test_the_owner_of_a_token_is_who_the_homeserver_says(federation, peer, token):
    peer.users[token] = f"@ana:{NAME}"
    assert federation.owner_of(token, server_name=NAME) == f"@ana:{NAME}"


def test_an_unknown_token_is_refused(federation, peer):
    with pytest.raises(OpenIdRefused):
        federation.owner_of("stolen", server_name=NAME)


def test_nobody_unregistered_is_called(federation, peer):
    peer.users["abc"] = f"@ana:localhost:{peer.port}"
    for name in (f"localhost:{peer.port}", f"127.0.0.1:{peer.port}", "matrix.example"):
        with pytest.raises(NotOfFederation):
            federation.owner_of("abc", server_name=name)
    assert peer.asked == []


def test_a_homeserver_that_is_away_is_told_apart_from_a_refusal(federation, places):
    places[NAME] = FederationEndpoint(NAME, "http://127.0.0.1:1")
    with pytest.raises(HomeserverSilent):
        federation.owner_of("abc", server_name=NAME)


@pytest.fixture
def at_tls(authority, places):
    """A homeserver with a certificate of the federation's own authority, for these names."""
    made = []

    def at_tls(*names: str) -> Peer:
        peer = Peer(NAME, authority.issue(*names))
        made.append(peer)
        peer.users["abc"] = f"@ana:{NAME}"
        places[NAME] = FederationEndpoint(NAME, peer.url, ca_pem=authority.ca_file.read_text())
        return peer

    yield at_tls
    for peer in made:
        peer.close()


def test_a_certificate_of_the_private_authority_is_trusted(federation, at_tls):
    at_tls("localhost", "127.0.0.1")
    assert federation.owner_of("abc", server_name=NAME) == f"@ana:{NAME}"


def test_a_certificate_for_another_name_is_refused_though_the_authority_is_trusted(
    federation, at_tls
):
    peer = at_tls("matrix.other.example")
    with pytest.raises(HomeserverSilent):
        federation.owner_of("abc", server_name=NAME)
    assert peer.asked == []


def test_without_the_authority_its_certificates_are_refused(federation, at_tls, places):
    peer = at_tls()
    places[NAME] = replace(places[NAME], ca_pem=None)
    with pytest.raises(HomeserverSilent):
        federation.owner_of("abc", server_name=NAME)
    assert peer.asked == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_for_tests_any_certificate_may_be_taken(federation, at_tls, places):
    peer = at_tls("matrix.other.example")
    places[NAME] = FederationEndpoint(NAME, peer.url, insecure=True)
    assert federation.owner_of("abc", server_name=NAME) == f"@ana:{NAME}"


@pytest.mark.parametrize("destination", US)
@pytest.mark.parametrize("field", ["destination_is", "destination"])
@pytest.mark.parametrize("header", [None, ""], ids=["named", "not named"])
def test_a_request_signed_to_any_of_our_names_is_accepted(
    federation, peer, destination, field, header
):
    signed = peer.authorization(destination, field=field, header=header, **REQUEST)
    assert verify(federation, signed) == NAME


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"uri": "/_matrix/identity/v2/3pid/bind"},
        {"content": REQUEST["content"] | {"mxid": f"@gil:{NAME}"}},
        {"content": {}},
        {"content": {"deep": "\ud800"}},
    ],
)
def test_a_request_that_was_changed_is_refused(federation, peer, changed):
    signed = peer.authorization(US[0], **REQUEST)
    with pytest.raises(NotAllowed):
        verify(federation, signed, **changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.replace(US[0], "other.example"),
        lambda header: header.replace(US[0], US[1]),
        lambda header: header.replace('sig="', 'sig="A'),
        lambda header: header.replace("ed25519:first", "ed25519:second"),
        lambda header: header.replace("ed25519:first", "rsa:first"),
        lambda header: header + ',origin="other.example"',
        lambda header: header.replace("X-Matrix", "Bearer"),
        lambda header: header.replace("origin", "origi"),
        lambda header: header.replace(",", ";"),
        lambda header: header + "x" * 3000,
        lambda _: "X-Matrix",
        lambda _: "",
    ],
)
def test_a_header_that_was_changed_is_refused(federation, peer, change):
    with pytest.raises(NotAllowed):
        verify(federation, change(peer.authorization(US[0], **REQUEST)))


def test_one_homeserver_does_not_sign_for_another(federation, peer, places):
    other = Peer("other.example")
    places["other.example"] = FederationEndpoint("other.example", other.url)
    forged = other.authorization(US[0], **REQUEST).replace("other.example", NAME)
    with pytest.raises(NotAllowed):
        verify(federation, forged)
    other.close()


def test_a_stranger_may_sign_what_he_likes_and_is_not_called(federation, peer, places):
    del places[NAME]
    with pytest.raises(NotOfFederation):
        verify(federation, peer.authorization(US[0], **REQUEST))
    assert peer.asked == []


def test_keys_are_asked_for_once(federation, peer):
    for _ in range(3):
        verify(federation, peer.authorization(US[0], **REQUEST))
    assert len(peer.asked) == 1


def test_a_new_key_is_fetched_when_it_appears_but_not_within_a_minute(federation, peer, clock):
    verify(federation, peer.authorization(US[0], **REQUEST))
    peer.new_key("second")
    signed = peer.authorization(US[0], **REQUEST)
    clock.advance(seconds=59)
    with pytest.raises(NotAllowed):
        verify(federation, signed)
    assert len(peer.asked) == 1
    clock.advance(seconds=1)
    assert verify(federation, signed) == NAME
    assert len(peer.asked) == 2


def test_keys_past_their_date_are_asked_for_again(federation, peer, clock):
    signed = peer.authorization(US[0], **REQUEST)
    verify(federation, signed)
    clock.advance(days=3)
    peer.keys = peer.keys[:0]
    peer.new_key("other")
    peer.publish_until(clock() + timedelta(days=1))
    with pytest.raises(NotAllowed):
        verify(federation, signed)
    assert len(peer.asked) == 2


def test_nobody_keeps_keys_for_longer_than_a_week(federation, peer, clock):
    peer.publish_until(clock() + timedelta(days=300))
    verify(federation, peer.authorization(US[0], **REQUEST))
    clock.advance(days=8)
    verify(federation, peer.authorization(US[0], **REQUEST))
    assert len(peer.asked) == 2


def test_a_homeserver_that_is_away_is_asked_again_after_a_minute(federation, peer, clock):
    signed = peer.authorization(US[0], **REQUEST)
    peer.raw = (502, b"")
    for _ in range(2):
        with pytest.raises(HomeserverSilent):
            verify(federation, signed)
    peer.raw = None
    clock.advance(minutes=1)
    assert verify(federation, signed) == NAME
    assert len(peer.asked) == 2


def test_keys_that_the_homeserver_did_not_sign_are_not_believed(federation, peer, places):
    peer.server_name = "other.example"
    places["other.example"] = places.pop(NAME)
    signed = peer.authorization(US[0], **REQUEST)
    peer.server_name = NAME
    with pytest.raises(NotAllowed):
        verify(federation, signed)


def test_x_matrix_parameters_stand_in_any_order_quoted_or_not():
    written = 'x-matrix  key=ed25519:1 , sig="a+/b",Origin=a.example:8448'
    assert read_x_matrix(written) == {
        "key": "ed25519:1",
        "sig": "a+/b",
        "origin": "a.example:8448",
    }
