"""Whatever version a module says it has, it is told the rules in the one format there is."""

import pytest

from identity.app import create_app
from tests.worlds.api import *

API = "/api/homeserver/v1"


@pytest.fixture(params=["public", "internal"])
def client(request, services):
    return create_app(services, listener=request.param).test_client()


@pytest.mark.parametrize("version", ["", "0", "1", "two", "3", "99999"])
def test_the_answer_is_the_same_whatever_the_version_of_the_module(client, credential, version):
    plain = client.get(f"{API}/rules", headers=credential)
    asked = client.get(f"{API}/rules?version={version}", headers=credential)
    assert (asked.status_code, asked.data) == (200, plain.data)
    assert asked.json["version"] == 2
