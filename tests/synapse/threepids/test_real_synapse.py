"""A real Synapse vouches for its users over TLS of a private authority, and signs its requests."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from identity.core.clock import utc_now
from identity.core.signatures import read_keys
from identity.homeservers.models import Homeserver as Registered
from identity.problems import NotAllowed
from tests.services.synapse import Homeserver
from tests.services.waiting import LOOPBACK, free_port
from tests.worlds.api import *
from tests.worlds.programs import V2, Program, refused

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def _at_tls(tmp_path_factory, authority) -> Iterator[tuple[Homeserver, str]]:
    port = free_port()
    certificate = authority.issue()
    listener = {"type": "http", "bind_addresses": [LOOPBACK]}
    folder: Path = tmp_path_factory.mktemp("synapse-tls")
    made = Homeserver(
        folder,
        server_name=f"localhost:{port}",
        tls_certificate_path=str(certificate.certificate),
        tls_private_key_path=str(certificate.key),
    )
    config = made.config.read_text()
    plain = [{**listener, "port": made.port, "tls": False, "resources": [{"names": ["client"]}]}]
    tls = [{**listener, "port": port, "tls": True, "resources": [{"names": ["federation"]}]}]
    # JSON is YAML; the last of two equal keys is the one that counts.
    made.config.write_text(f"{config}\nlisteners: {json.dumps(plain + tls)}\n")
    made.server_name = f"localhost:{port}"
    made.start()
    yield made, f"https://localhost:{port}"
    made.end()


@pytest.fixture
def homeserver(_at_tls, services, authority, clock) -> Homeserver:
    """Registered, with the authority of its certificate."""
    made, url = _at_tls
    with services.database.transaction() as session:
        session.add(
            Registered(
                name=made.server_name,
                url=made.url,
                federation_url=url,
                ca_pem=authority.ca_file.read_text(),
                label="Synapse",
                connector="none",
                user_id_scheme="address",
                class_source="agent",
                created_at=clock(),
            )
        )
    return made


@pytest.fixture
def ana(homeserver) -> dict[str, str]:
    return homeserver.register(f"ana{uuid.uuid4().hex[:8]}", PASSWORD)


def openid(homeserver: Homeserver, person: dict[str, str]) -> dict:
    path = f"/_matrix/client/v3/user/{person['user_id']}/openid/request_token"
    return homeserver.call("POST", path, token=person["access_token"], json={}).json()


def test_a_user_of_a_synapse_gets_a_token_and_is_known_by_it(public, decided, homeserver, ana):
    stranger = Program(public, decided, user_id=None)
    answer = stranger.post("/account/register", **openid(homeserver, ana))
    assert answer.status_code == 200, answer.json
    known = Program(public, decided, token=answer.json["token"])
    assert known.get("/account").json == {"user_id": ana["user_id"]}
    details = public.get(f"{V2}/hash_details", query_string={"access_token": known.token})
    assert details.json["lookup_pepper"]


def test_a_synapse_that_does_not_know_the_token_is_believed(public, decided, homeserver, ana):
    stranger = Program(public, decided, user_id=None)
    body = openid(homeserver, ana) | {"access_token": "guessed"}
    assert refused(stranger.post("/account/register", **body)) == (401, "M_UNAUTHORIZED")


def test_what_is_signed_with_the_key_of_a_real_synapse_is_accepted(services, homeserver, clock):
    clock.time = utc_now()  # Synapse says until when its keys are good
    name, us = homeserver.server_name, "guichet.localhost"
    facts = {"method": "POST", "uri": f"{V2}/3pid/unbind", "content": {"mxid": f"@ana:{name}"}}
    [key] = read_keys((homeserver.folder / "signing.key").read_text())
    signed = key.sign(facts | {"origin": name, "destination_is": us}, server_name=name)
    signature = signed["signatures"][name][key.key_id]
    header = f'X-Matrix origin="{name}",key="{key.key_id}",sig="{signature}",destination="{us}"'
    verify = services.federation.verify_x_matrix
    assert verify(header, our_names=[us], **facts) == name
    with pytest.raises(NotAllowed):
        verify(header, our_names=[us], **facts | {"content": {}})
