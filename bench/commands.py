"""Measures commands and the start of a web process, beside 33,000 rules on SQLite.

Of commands the CPU of the process and its children counts, the least of a few; of a start the time.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import requests

from tests.services.waiting import free_port

from .rows import Row

BIN: Final = Path(sys.executable).parent
HOMESERVER: Final = "agents.example"
DOMAINS: Final = 33_000
TIMES: Final = 5
ASKED: Final = 10  # requests, of which the first is compared with the last
ADDRESS: Final = "ana@d5.example"
INFO: Final = f"/_matrix/identity/api/v1/info?medium=email&address={ADDRESS}"
START: Final = 120.0  # seconds for a web process to answer at most
LATE: Final = 3.0  # milliseconds: less is noise


def measure() -> Iterator[Row]:
    """Run the suite."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "GUICHET_DATA_DIR": folder,
            "GUICHET_ENV_FILE": "",
            "GUICHET_LOG_FORMAT": "json",
        }
        environment = os.environ | settings
        helped = min(_cpu(environment, "--help") for _ in range(TIMES))
        yield Row("guichet --help, CPU", helped, "s", at_most=0.25)
        _cpu(environment, "homeserver", "add", HOMESERVER, "--url", "https://m.agents.example")
        file = Path(folder) / "domains.txt"
        file.write_text("".join(f"d{n}.example\n" for n in range(DOMAINS)))
        explained = min(_cpu(environment, "address", "explain", ADDRESS) for _ in range(TIMES))
        yield Row("guichet address explain, CPU", explained, "s", at_most=0.5)
        words = ("domain", "import", str(file), "--homeserver", HOMESERVER)
        imported = _cpu(environment, *words)
        yield Row(f"import of {DOMAINS:,} domains, CPU", imported, "s", at_most=5)
        explained = min(_cpu(environment, "address", "explain", ADDRESS) for _ in range(TIMES))
        yield Row(f"guichet address explain, {DOMAINS:,} rules, CPU", explained, "s")
        begun = [_start(environment) for _ in range(TIMES)]
    listening, first, last = (min(each[part] for each in begun) for part in range(3))
    yield Row(f"guichet web, {DOMAINS:,} rules, until it answers", listening, "s")
    told = f"first {first:.1f} ms, {ASKED}th {last:.1f} ms, the least of {TIMES} starts"
    title = f"first /info after a start to the {ASKED}th, {DOMAINS:,} rules"
    yield Row(title, first / max(last, LATE), "x", at_most=3, detail=told)


def _cpu(environment: Mapping[str, str], *words: str) -> float:
    """The seconds of CPU that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([BIN / "guichet", *words], env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _start(environment: Mapping[str, str]) -> tuple[float, float, float]:
    """Seconds until a web process answers /healthz; then milliseconds of the first and last /info."""
    base = f"http://127.0.0.1:{(port := free_port())}"
    command = [BIN / "guichet", "web", "--workers", "1", "--listen", f"127.0.0.1:{port}"]
    began = time.perf_counter()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=environment, **silent)
    try:
        with requests.Session() as session:
            while not _answers(session, f"{base}/healthz"):
                if time.perf_counter() - began > START or process.poll() is not None:
                    raise SystemExit("guichet web does not answer")
                time.sleep(0.02)
            listening = time.perf_counter() - began
            taken = [_milliseconds(session, base + INFO) for _ in range(ASKED)]
    finally:
        process.terminate()
        process.wait()
    return listening, taken[0], taken[-1]


def _answers(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=START).ok
    except requests.ConnectionError:
        return False


def _milliseconds(session: requests.Session, url: str) -> float:
    began = time.perf_counter()
    session.get(url, timeout=START).raise_for_status()
    return (time.perf_counter() - began) * 1000
