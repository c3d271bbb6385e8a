"""Whatever a registered homeserver answers: a user ID of its own, or nothing."""

from datetime import timedelta

import pytest

from identity.homeservers.calls import HomeserverCalls
from identity.homeservers.federation_client import Federation, FederationEndpoint
from identity.problems import HomeserverSilent, NotAllowed, WrongOwner
from tests.services.peer import Peer

NAME = "education.example"
DEEP = b'{"sub": ' + b"[" * 300_000 + b"]" * 300_000 + b"}"


@pytest.fixture
def database_url(sqlite_url) -> str:
    """The breakers are tested on both databases elsewhere."""
    return sqlite_url


@pytest.fixture
def peer(clock):
    made = Peer(NAME)
    made.publish_until(clock() + timedelta(days=2))
    yield made
    made.close()


@pytest.fixture
def federation(peer, clock, database) -> Federation:
    return Federation(
        {NAME: FederationEndpoint(NAME, peer.url)}.get, clock, HomeserverCalls(database, clock)
    )


@pytest.mark.faults
@pytest.mark.parametrize(
    "sub",
    [
        *(
            "@ana:other.example",
            f"ana:{NAME}",
            NAME,
            f"@ana:{NAME}.other.example",
            f"@a\n:{NAME}",
            "",
        ),
        *(
            f"@:{NAME}",
            f"@ana {NAME}",
            f"@an a:{NAME}",
            f"@ana:{NAME} ",
            f"@ana:x:{NAME}",
            "@ana",
            "@",
        ),
        *(f"@ana\0:{NAME}", f"@an\ud800a:{NAME}", f"@\u202eana:{NAME}", f"@ana:{NAME.upper()}"),
        *(f"#ana:{NAME}", f"@{'a' * (256 - len(NAME) - 2)}:{NAME}", f"@{'a' * 900_000}:{NAME}"),
        f"@{'é' * 125}:{NAME}",
    ],
)
def test_a_homeserver_vouches_for_nobody_but_its_own_users(federation, peer, sub, record_fault):
    peer.users["abc"] = sub
    with pytest.raises(WrongOwner):
        federation.owner_of("abc", server_name=NAME)
    record_fault("homeserver: answers for another domain", tried=1, survived=1, said="refused")


@pytest.mark.parametrize(
    "local",
    [
        "ana",
        "Ana",
        "ana.petit-ac=2drouen.example",
        "_irc_#a!b",
        "élodie",
        "a" * (255 - len(NAME) - 2),
    ],
)
def test_a_user_id_from_before_the_rules_of_today_is_one(federation, peer, local):
    peer.users["abc"] = f"@{local}:{NAME}"
    assert federation.owner_of("abc", server_name=NAME) == f"@{local}:{NAME}"


@pytest.mark.parametrize(
    "raw",
    [
        (200, b"{}"),
        (200, b'{"sub": 5}'),
        (200, b"[]"),
        (200, b"<html>"),
        (500, b"{}"),
        (404, b"{}"),
        (200, b'{"sub": "' + b"x" * 2_000_000 + b'"}'),
        (200, DEEP),
        (200, b'{"sub": ["' + DEEP + b'"]}'),
        (200, b'{"a":' * 300 + b"1" + b"}" * 300),
        (200, b'{"sub": NaN}'),
        (200, b'{"sub": 1e400}'),
        (200, b'{"sub": ' + b"1" * 5000 + b"}"),
        (200, b'{"sub": "\xff"}'),
    ],
    ids=[
        *("no sub", "a number", "a list", "a page", "500", "404", "2 MB", "deep", "half deep"),
        *("deep enough for the reader alone", "NaN", "infinite", "5,000 digits", "no UTF-8"),
    ],
)
def test_an_answer_that_is_none_gives_no_token(federation, peer, raw):
    peer.raw = raw
    with pytest.raises(HomeserverSilent):
        federation.owner_of("abc", server_name=NAME)


@pytest.mark.parametrize("depth", [40, 300, 900, 100_000])
def test_keys_that_are_nested_deeper_than_anybody_reads_are_none(federation, peer, depth):
    peer.raw = (
        200,
        b'{"server_name": "%b", "verify_keys": {"ed25519:first": {"key": "x"}}, "deep": %b}'
        % (NAME.encode(), b"[" * depth + b"]" * depth),
    )
    header = peer.authorization("guichet.example", method="POST", uri="/x", content={})
    with pytest.raises((HomeserverSilent, NotAllowed)):
        federation.verify_x_matrix(
            header, method="POST", uri="/x", content={}, our_names=("guichet.example",)
        )
