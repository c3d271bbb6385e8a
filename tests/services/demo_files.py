"""Files in the running `make demo`: what its homeservers take, and what its scanner says of encrypted ones."""

from pathlib import Path

import requests

from .clamd import CLEAN, INFECTED
from .demo import Demo

MEDIA = "/_matrix/client/v1/media/download"


def upload(demo: Demo, role: str, kind: str, content: bytes) -> requests.Response:
    return requests.post(
        f"{_client_url(demo, role)}/_matrix/media/v3/upload",
        data=content,
        headers=_as(demo, role) | {"Content-Type": kind},
        timeout=60,
    )


def download(demo: Demo, role: str, uri: str) -> requests.Response:
    name = uri.removeprefix("mxc://")
    url = f"{_client_url(demo, role)}{MEDIA}/{name}"
    return requests.get(url, headers=_as(demo, role), timeout=60)


def no_homeserver_takes_a_virus(demo: Demo) -> None:
    for role in demo.facts["users"]:
        answer = upload(demo, role, *INFECTED["an archive"])
        assert answer.status_code == 403, answer.text
        assert answer.json()["org.guichet.reason"] == "file_infected"
        assert upload(demo, role, *CLEAN["an archive"]).ok


def what_comes_from_another_homeserver_is_scanned_too(demo: Demo) -> None:
    uri = upload(demo, "guest", *CLEAN["a picture"]).json()["content_uri"]
    listens = Path(demo.facts["ca_file"]).parent / "clamd/clamd.socket"
    away = listens.rename(listens.with_suffix(".away"))
    answer = download(demo, "agent", uri)
    away.rename(listens)
    assert answer.status_code == 503, answer.text
    assert answer.json()["org.guichet.reason"] == "file_not_scanned"
    assert download(demo, "agent", uri).content == CLEAN["a picture"][1]


def _client_url(demo: Demo, role: str) -> str:
    return demo.facts["homeservers"][demo.facts["users"][role]["homeserver"]]["client_url"]


def _as(demo: Demo, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {demo.facts['users'][role]['access_token']}"}
