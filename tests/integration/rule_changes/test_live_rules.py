"""Rules go live on every node without a restart, and no answer mixes two revisions."""

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest
import requests

from tests.services.waiting import wait_for

INFO = "/_matrix/identity/api/v1/info"
DOMAINS = 33_000
REQUESTS = 2_000
MANY_REQUESTS = 10_000
OLD, NEW = "Ministère d’hier", "Ministère de demain"


@dataclass
class Load:
    """One client of one node: asks domain after domain until told to stop, and keeps what it was told."""

    url: str
    start: int
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    order: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        with requests.Session() as session:
            for number in itertools.count(self.start):
                if stop.is_set():
                    return
                address = f"ana@d{number * 97 % DOMAINS}.example"
                query = {"medium": "email", "address": address}
                answer = session.get(self.url + INFO, params=query, timeout=60)
                self.note(answer)

    def note(self, answer: requests.Response) -> None:
        if answer.status_code != 200:
            self.faults.append(f"{answer.status_code} {answer.text[:200]}")
            return
        ours = answer.json()["org.guichet"]
        self.answers[ours["revision"], ours["organisation"]] += 1
        if not self.order or self.order[-1] != ours["revision"]:
            self.order.append(ours["revision"])


@pytest.fixture
def nodes(federation, guichet_processes, tmp_path):
    """Two nodes that decide by thirty-three thousand rules: revision 4."""
    domains = tmp_path / "domains.txt"
    domains.write_text("\n".join(f"d{number}.example" for number in range(DOMAINS)))

    def open_all(organisation):
        return guichet_processes.run(
            *("guichet", "domain", "import", str(domains)),
            *("--homeserver", "education.example", "--organisation", organisation),
            env=federation,
            within=240,  # beside the load
        )

    open_all(OLD)
    urls = [guichet_processes.web(federation).url for _ in range(2)]
    return urls, open_all


def asked(loads: list[Load]) -> int:
    return sum(load.answers.total() for load in loads)


@pytest.mark.processes
@pytest.mark.postgresql
@pytest.mark.parametrize("number", [REQUESTS, pytest.param(MANY_REQUESTS, marks=pytest.mark.long)])
def test_every_node_takes_a_new_revision_under_load_and_mixes_none(nodes, number):
    urls, open_all = nodes
    loads = [Load(url, start * 5_000) for start, url in enumerate(urls * 2)]
    stop = threading.Event()
    threads = [threading.Thread(target=load.run, args=[stop]) for load in loads]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: all(load.answers for load in loads), what="every node answers")
        assert "33000 changed" in open_all(NEW)
        wait_for(
            lambda: all(load.order[-1:] == [4] for load in loads),
            what="every node has it",
        )
        wait_for(lambda: asked(loads) >= number, what=f"{number} answers", within=240)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [load.faults for load in loads] == [[]] * len(loads)
    answers = sum((load.answers for load in loads), Counter())
    assert set(answers) == {(3, OLD), (4, NEW)}
    assert [load.order for load in loads] == [[3, 4]] * len(loads)
