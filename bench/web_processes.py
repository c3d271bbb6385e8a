"""Measures processes of the web: their memory, their start, and how soon a revision is theirs."""

import json
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import requests

from tests.services.children import children_of
from tests.services.processes import Web
from tests.services.waiting import LOOPBACK, free_port

from .filling import RULES
from .http import EARLY, INFO
from .installation import Installation, Server, installation
from .load import Load, Request, Target, write
from .rows import Row

STARTS = 5
REVISIONS = 3
WATCHED = 3.0  # seconds after a publication


def memory() -> Iterator[Row]:
    """The resident memory of the larger process after some load, shared pages included."""
    servers = installation()
    asked = write(servers.folder / "info of all", [Request("GET", INFO + EARLY)])
    bounds: dict[Server, int | None] = {"granian": 120, "gunicorn": None}
    for server, at_most in bounds.items():
        target = servers.guichet(server)
        load = Load(target, asked)
        for each in filter(None, (load, load.before)):
            each.measure()
        yield Row(
            f"memory of a web process on {server}, {RULES:,} rules, 8 threads",
            _largest(target),
            "MiB",
            at_most=at_most,
            before=_largest(target.before) if target.before else None,
        )


def start() -> Iterator[Row]:
    """`guichet web` from its start to its first answers, with the rules of 33,000 domains."""
    servers = installation()
    taken = [_start(servers) for _ in range(STARTS)]
    listening, first, tenth = (statistics.median(each) for each in zip(*taken, strict=True))
    told = (
        f"listens after {listening:.2f} s, first {first * 1e3:.1f} ms, tenth {tenth * 1e3:.1f} ms"
    )
    yield Row(
        "a web process from its start to its first answer", listening + first, "s", detail=told
    )
    yield Row(
        "the first answer after a start, later than the tenth by",
        (first - tenth) * 1e3,
        "ms",
        at_most=20,
        detail=told,
    )


def revisions() -> Iterator[Row]:
    """The longest time from a publication to the last answer by the revision before."""
    servers = installation()
    nodes = [servers.guichet().url, servers.guichet("gunicorn").url]
    longest = max(_publish(servers, nodes, str(number)) for number in range(REVISIONS))
    yield Row("a revision until every process answers by it", longest, "s", at_most=2)


def _largest(target: Target) -> float:
    """The MiB of its largest process."""
    return max(_resident(pid) for pid in children_of(target.server[0]))


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def _start(servers: Installation) -> tuple[float, float, float]:
    """Seconds until it listens, and of its first and its tenth answer."""
    port = free_port()
    began = time.perf_counter()
    command = ("guichet", "web", "--listen", f"{LOOPBACK}:{port}", "--workers", "1")
    web = servers.processes.start(*command, env=servers.environment(), kind=Web)
    try:
        web.wait_until(lambda: _listens(port), what=f"{port} listens")
        listening = time.perf_counter() - began
        answers = []
        with requests.Session() as client:
            for _ in range(10):
                began = time.perf_counter()
                client.get(f"http://{LOOPBACK}:{port}{INFO}{EARLY}", timeout=60).raise_for_status()
                answers.append(time.perf_counter() - began)
    finally:
        web.stop()
    return listening, answers[0], answers[-1]


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _publish(servers: Installation, nodes: list[str], note: str) -> float:
    answers: list[tuple[float, int]] = []
    stop = threading.Event()
    asking = threading.Thread(target=_ask, args=[nodes, answers, stop])
    asking.start()
    run, env = servers.processes.run, servers.environment()
    try:
        add = ("domain", "add", EARLY, "--homeserver", "agents.example", "--note", note)
        run("guichet", *add, env=env)
        time.sleep(WATCHED)
    finally:
        stop.set()
        asking.join()
    newest = json.loads(run("guichet", "domain", "history", "--limit", "1", "--json", env=env))[0]
    published = datetime.fromisoformat(newest["published_at"]).timestamp()
    return max(at for at, revision in answers if revision < newest["revision"]) - published


def _ask(nodes: list[str], answers: list[tuple[float, int]], stop: threading.Event) -> None:
    """Ask without pause, each time over a new connection, so that all processes answer."""
    while not stop.is_set():
        for node in nodes:
            asked_at = time.time()
            answer = requests.get(node + INFO + EARLY, timeout=10).json()
            answers.append((asked_at, answer["org.guichet"]["revision"]))
