"""Files in the running `make demo`: what its homeservers take, and what its scanner says of encrypted ones."""

import hashlib
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from .clamd import CLEAN, INFECTED
from .demo import Demo

MEDIA = "/_matrix/client/v1/media/download"
SCANNER = "/_matrix/media_proxy/unstable"
NOISE = "application/octet-stream"  # what clients call an encrypted file


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
    with clamd_away(demo):
        answer = download(demo, "agent", uri)
    assert answer.status_code == 503, answer.text
    assert answer.json()["org.guichet.reason"] == "file_not_scanned"
    assert download(demo, "agent", uri).content == CLEAN["a picture"][1]


def the_scanner_finds_in_encrypted_files_what_no_homeserver_can(demo: Demo) -> None:
    """Files of its homeserver, and of another."""
    for role in ("agent", "guest"):
        for _, content in INFECTED.values():
            file = _sent_encrypted(demo, role, content)
            answer = _ask_scanner(demo, "download_encrypted", file)
            assert answer.status_code == 403, answer.text
            assert answer.json()["reason"] == "MCS_MEDIA_NOT_CLEAN"
        content = CLEAN["a picture"][1]
        file = _sent_encrypted(demo, role, content)
        answer = _ask_scanner(demo, "download_encrypted", file)
        assert _digest(answer.content) == file["hashes"]["sha256"]  # as it was sent
        uri = upload(demo, role, *CLEAN["a picture"]).json()["content_uri"]
        assert _ask_scanner(demo, f"download/{uri.removeprefix('mxc://')}").content == content


def the_scanner_passes_nothing_while_clamd_is_away_and_remembers_no_failure(demo: Demo) -> None:
    file = _sent_encrypted(demo, "agent", CLEAN["a text"][1])
    with clamd_away(demo):
        assert _ask_scanner(demo, "scan_encrypted", file).json()["clean"] is False
    assert _ask_scanner(demo, "scan_encrypted", file).json()["clean"] is True


@contextmanager
def clamd_away(demo: Demo) -> Iterator[None]:
    """It runs, since the demo ends without it; nobody finds it."""
    listens = Path(demo.facts["ca_file"]).parent / "clamd/clamd.socket"
    away = listens.rename(listens.with_suffix(".away"))
    try:
        yield
    finally:
        away.rename(listens)


def _sent_encrypted(demo: Demo, role: str, content: bytes) -> dict[str, Any]:
    """Upload it as clients do in an encrypted room; the `file` of the event (EncryptedFile)."""
    key, counter = os.urandom(32), os.urandom(8) + bytes(8)
    encrypt = Cipher(AES256(key), CTR(counter)).encryptor()
    sent = encrypt.update(content) + encrypt.finalize()
    answer = upload(demo, role, NOISE, sent)
    assert answer.ok, answer.text
    return {
        "v": "v2",
        "url": answer.json()["content_uri"],
        "key": {
            "kty": "oct",
            "key_ops": ["encrypt", "decrypt"],
            "alg": "A256CTR",
            "k": urlsafe_b64encode(key).decode().rstrip("="),
            "ext": True,
        },
        "iv": b64encode(counter).decode().rstrip("="),
        "hashes": {"sha256": _digest(sent)},
    }


def _digest(content: bytes) -> str:
    return b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _ask_scanner(demo: Demo, what: str, file: dict[str, Any] | None = None) -> requests.Response:
    """By the address that docs/antivirus.md names: ten above Guichet's."""
    port = int(demo.facts["guichet"].rpartition(":")[2]) + 10
    url = f"http://localhost:{port}{SCANNER}/{what}"
    return requests.request(
        "POST" if file else "GET", url, json=file and {"file": file}, timeout=60
    )


def _client_url(demo: Demo, role: str) -> str:
    return demo.facts["homeservers"][demo.facts["users"][role]["homeserver"]]["client_url"]


def _as(demo: Demo, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {demo.facts['users'][role]['access_token']}"}
