"""A Synapse with the module of the demo that asks clamd: what it takes, and what it says of what it does not."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.services.children import standing_still
from tests.services.clamd import CLEAN, INFECTED, Clamd
from tests.services.synapse import ROOT, Homeserver

pytestmark = pytest.mark.synapse

UPLOAD = "/_matrix/media/v3/upload"
MEDIA = "/_matrix/client/v1/media"
REASON = "org.guichet.reason"
BIG = bytes(20_000_000)


class Scanning(Homeserver):
    """Our module stands where docs/antivirus.md tells operators to put it."""

    def __init__(self, folder: Path, clamd: Clamd) -> None:
        config = {"socket": str(clamd.address), "timeout_seconds": 1}
        module = {"module": "antivirus.clam_scan.ClamScan", "config": config}
        (folder / "antivirus").mkdir()
        for name in ("clam_scan.py", "clamd_client.py"):
            shutil.copy(ROOT / "examples/demo" / name, folder / "antivirus")
        super().__init__(folder, modules=[module])

    def upload(self, kind: str, content: bytes) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": kind}
        return requests.post(self.url + UPLOAD, data=content, headers=headers, timeout=60)

    def stored(self) -> list[Path]:
        return [path for path in (self.folder / "media").rglob("*") if path.is_file()]

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"PYTHONPATH": str(self.folder)}


@pytest.fixture(scope="module")
def clamd(tmp_path_factory) -> Iterator[Clamd]:
    made = Clamd(tmp_path_factory.mktemp("clamd"))
    made.start()
    yield made
    made.end()


@pytest.fixture(scope="module")
def scanning(tmp_path_factory, clamd) -> Iterator[Scanning]:
    made = Scanning(tmp_path_factory.mktemp("scanning"), clamd)
    made.start()
    yield made
    made.end()


def refused(answer: requests.Response, status: int, reason: str) -> bool:
    body: dict[str, Any] = answer.json()
    return (answer.status_code, body[REASON]) == (status, reason)


def test_what_holds_a_virus_is_refused_with_a_reason_and_not_kept(scanning):
    before = scanning.stored()
    for kind, content in INFECTED.values():
        answer = scanning.upload(kind, content)
        assert refused(answer, 403, "file_infected"), answer.text
        assert answer.json()["errcode"] == "M_FORBIDDEN"
        assert "antivirus" in answer.json()["error"]
    assert scanning.stored() == before
    said = [line for line in scanning.log.splitlines() if "clam_scan" in line and "Refused" in line]
    assert len(said) == len(INFECTED)
    assert all(line.endswith("an upload: clamd found Eicar-Test-File.UNOFFICIAL") for line in said)


def test_what_is_clean_is_taken_and_its_thumbnail_is_made(scanning):
    uris = {name: scanning.upload(*file).json()["content_uri"] for name, file in CLEAN.items()}
    name = uris["a picture"].removeprefix("mxc://")
    for path in (f"/download/{name}", f"/thumbnail/{name}?width=320&height=240&method=scale"):
        answer = scanning.call("GET", MEDIA + path)
        assert answer.ok, answer.text
        assert answer.headers["Content-Type"] == "image/png"


def test_a_long_file_and_a_bad_one_at_once(scanning):
    with ThreadPoolExecutor() as people:
        long = people.submit(scanning.upload, "application/octet-stream", BIG)
        bad = people.submit(scanning.upload, *INFECTED["an archive"])
        assert long.result().ok
        assert refused(bad.result(), 403, "file_infected")


def test_while_clamd_is_away_nothing_is_taken_and_once_it_is_back_all_is_well(scanning, clamd):
    clamd.kill()
    answer = scanning.upload(*CLEAN["a text"])
    assert refused(answer, 503, "file_not_scanned"), answer.text
    assert "Try again later" in answer.json()["error"]
    clamd.start()
    assert scanning.upload(*CLEAN["a text"]).ok


def test_while_clamd_hangs_everybody_gets_an_answer_and_passwords_are_checked(scanning, clamd):
    scanning.register("ana", "seven grey birds")
    with standing_still(clamd), ThreadPoolExecutor(20) as people:
        waiting = [people.submit(scanning.upload, *CLEAN["a picture"]) for _ in range(20)]
        assert scanning.log_in("ana", "seven grey birds").ok
        assert all(refused(each.result(), 503, "file_not_scanned") for each in waiting)
    assert scanning.upload(*CLEAN["a picture"]).ok


def test_without_a_socket_synapse_says_what_is_missing(tmp_path, clamd):
    made = Scanning(tmp_path, clamd)
    made.config.write_text(made.config.read_text().replace("socket:", "path:"))
    with pytest.raises(AssertionError, match="ClamScan needs the path of clamd's socket"):
        made.start()
