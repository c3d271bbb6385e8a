"""Measures /info against a constant view and against regexes, publishing of rules, and memory."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import requests

from tests.services.processes import Processes, Web

from .rows import Row, in_turn

RULES = 33_000
CONNECTIONS = 16
SECONDS = 2
QUIET = 0.15  # seconds of work within half a second of two idle processors
WATCHED = 3.0  # seconds after a publication
INFO = "/_matrix/identity/api/v1/info?medium=email&address=ana@"
EARLY, LATE, NONE = "d0.example", f"d{RULES - 1}.example", "elsewhere.org"


def measure() -> Iterator[Row]:
    """Run the suite."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: make bench installs it")
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder))
        try:
            yield from _measure(processes)
        finally:
            for child in reversed(processes.started):
                child.kill()


def _measure(processes: Processes) -> Iterator[Row]:
    domains = processes.folder / "domains.txt"
    domains.write_text("\n".join(f"d{number}.example" for number in range(RULES)))
    run = partial(processes.run, env={}, within=300)
    for name, *more in (("agents.example",), ("guests.example", "--guests")):
        run("guichet", "homeserver", "add", name, "--url", "http://127.0.0.1:1", *more)
    run("guichet", "domain", "import", str(domains), "--homeserver", "agents.example")
    free = {"GUICHET_LIMITS": "off"}
    web = processes.granian("bench.served:served", free, workers=2)
    # A server of its own: the requests it has left when its turn is over would slow the others
    # down.
    apart = processes.granian("bench.served:served", free, workers=2)
    yield from _info(web, apart)
    yield _memory(web)
    second = processes.granian("asgi:app", {}, workers=2)
    yield _live(processes, [web, second])


def _info(web: Web, apart: Web) -> Iterator[Row]:
    urls = {
        "constant": f"{web.url}/constant/",
        **{
            f"info {name}": f"{web.url}{INFO}{domain}"
            for name, domain in (("early", EARLY), ("late", LATE), ("none", NONE))
        },
        **{
            f"regexes {count} {name}": f"{apart.url}/regexes/{count}?address=ana@{domain}"
            for count in (300, 3_000)
            for name, domain in (
                ("early", EARLY),
                ("late", f"d{count - 1}.example"),
                ("none", NONE),
            )
        },
    }
    for url in urls.values():
        requests.get(url, timeout=10).raise_for_status()
    rate = in_turn({name: partial(_rate, url) for name, url in urls.items()})
    told = ", ".join(
        f"{name} {value:.0f}/s" for name, value in rate.items() if "regexes" not in name
    )
    slowest = min(rate[f"info {name}"] for name in ("early", "late", "none"))
    fastest = max(rate[f"info {name}"] for name in ("early", "late", "none"))
    yield Row(
        "/info, 33,000 rules, to a constant view",
        slowest / rate["constant"],
        "x",
        at_least=0.7,
        detail=told,
    )
    yield Row("/info, its fastest match to its slowest", fastest / slowest, "x")
    for count, bound in ((300, 3), (3_000, 1_000)):
        worst = min(rate[f"regexes {count} {name}"] for name in ("early", "late", "none"))
        yield Row(
            f"/info to {count:,} regexes in order, worst match", slowest / worst, "x", at_least=bound,
            detail=f"regexes {worst:.0f}/s",
        )  # fmt: skip


def _rate(url: str) -> float:
    """Requests per second answered with 200."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "10s", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said:
        raise SystemExit(f"{url}:\n{said}")
    _settle()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def _settle() -> None:
    """Wait until the requests that wrk left behind are done: they would slow down the next run."""
    while True:
        before = _busy()
        time.sleep(0.5)
        if _busy() - before < QUIET:
            return


def _busy() -> float:
    """Seconds of processor time used on this machine since it started."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def _memory(web: Web) -> Row:
    """The resident memory of the larger worker with the rules loaded, shared pages included."""
    children = Path(f"/proc/{web.process.pid}/task/{web.process.pid}/children").read_text().split()
    sizes = [
        int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
        for pid in children
    ]
    return Row("memory of a web process with 33,000 rules", max(sizes), "MiB", at_most=150)


def _live(processes: Processes, nodes: list[Web]) -> Row:
    """The longest time from publication to the last answer by the old revision."""
    longest = 0.0
    for number in range(5):
        answers: list[tuple[float, int]] = []
        stop = threading.Event()
        asking = threading.Thread(target=_ask, args=[nodes, answers, stop])
        asking.start()
        processes.run(
            *("guichet", "domain", "add", EARLY, "--homeserver", "agents.example"),
            *("--note", str(number)),
            env={},
        )
        time.sleep(WATCHED)
        stop.set()
        asking.join()
        said = processes.run("guichet", "domain", "history", "--limit", "1", "--json", env={})
        newest = json.loads(said)[0]
        published = datetime.fromisoformat(newest["published_at"]).timestamp()
        late = max(at for at, revision in answers if revision < newest["revision"]) - published
        longest = max(longest, late)
    return Row("a revision until every process answers by it", longest, "s", at_most=2)


def _ask(nodes: list[Web], answers: list[tuple[float, int]], stop: threading.Event) -> None:
    """Ask without pause, each time over a new connection, so that all processes answer."""
    while not stop.is_set():
        for node in nodes:
            asked_at = time.time()
            answer = requests.get(node.url + INFO + EARLY, timeout=10).json()
            answers.append((asked_at, answer["org.guichet"]["revision"]))
