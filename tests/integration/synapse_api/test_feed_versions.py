"""The rules are told in the newest version that both sides know."""

import pytest

from identity.app import create_app
from tests.worlds.api import *

API = "/api/homeserver/v1"


@pytest.fixture(params=["public", "internal"])
def client(request, services):
    return create_app(services, listener=request.param).test_client()


@pytest.mark.parametrize("query", ["", "?version=1", "?version=0", "?version=two", "?version="])
def test_a_module_of_before_reads_lines_by_their_place(client, credential, query):
    said = client.get(f"{API}/rules{query}", headers=credential).json
    assert "version" not in said
    assert said["rules"] == [
        ["default", "", "guest", "guests.example", 1, "", None, None],
        [
            *("domain", "ac-rouen.example", "agent", "education.example", 0),
            *("Éducation nationale – Rouen", None, None),
        ],
    ]


@pytest.mark.parametrize("version", ["3", "99999"])
def test_a_module_that_is_to_come_is_told_in_the_newest_version_there_is(
    client, credential, version
):
    newest = client.get(f"{API}/rules?version=2", headers=credential)
    asked = client.get(f"{API}/rules?version={version}", headers=credential)
    assert (asked.status_code, asked.data) == (200, newest.data)


def test_a_module_that_was_renewed_is_told_the_same_revision_in_its_own_version(client, credential):
    tag = client.get(f"{API}/rules", headers=credential).headers["ETag"]
    headers = credential | {"If-None-Match": tag}
    assert client.get(f"{API}/rules?version=2", headers=headers).json["version"] == 2
