"""Guichet's own processes, started as an operator starts them."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from identity.cli.commands import guichet
from identity.command.web_server import granian

from .children import MEASURED, Child
from .keys import WORKER_KEYS
from .waiting import LOOPBACK, free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


class Web(Child):
    """A child that answers HTTP at `url`."""

    url: str

    def wait_until_up(self, path: str = "/healthz", *, within: float = 90.0) -> None:
        self.wait_until(
            lambda: self._answers(path), what=f"{self.url}{path} answers", within=within
        )

    def _answers(self, path: str) -> bool:
        try:
            return requests.get(self.url + path, timeout=2).ok
        except requests.RequestException:
            return False


class Processes:
    """Each method starts one process and gives it back; all are ended with the test, their logs printed."""

    def __init__(self, folder: Path, *, tree: Path = ROOT, programs: Path = BIN) -> None:
        """`tree`: whose Guichet it is, this one unless told otherwise. `programs`: their folder."""
        self.folder, self.tree, self.programs = folder, tree, programs
        self.started: list[Child] = []

    def start(self, *argv: str, env: Mapping[str, str], kind: type[Child] = Child) -> Child:
        """Any command of this environment: `start("guichet", "db", "upgrade", env=…)`."""
        program, *rest = argv
        child = kind(
            [str(self.programs / program), *rest],
            log=self.folder / f"{len(self.started)}-{program}.log",
            env=self.environment(env),
            cwd=self.folder,
        )
        self.started.append(child)
        return child

    def run(self, *argv: str, env: Mapping[str, str], within: float = 120.0) -> str:
        """A command that ends by itself; gives its output, and fails if it did."""
        child = self.start(*argv, env=env)
        code = child.process.wait(within)
        assert code == 0, f"{' '.join(argv)} ended with {code}:\n{child.log}"
        return child.log

    def guichet(self, *words: str, env: Mapping[str, str]) -> str:
        """A command `guichet`, in this process: a new one would load for a second what is loaded here.

        Gives its output, and fails if it did. tests/integration/cli/test_entry.py starts it as a process.
        """
        assert self.tree == ROOT, "another version has to be started: run"
        given = {"GUICHET_DATA_DIR": str(self.folder / "var"), **env}
        with contextlib.chdir(self.folder):
            result = CliRunner(env=given).invoke(guichet, words, catch_exceptions=False)
        assert result.exit_code == 0, f"guichet {' '.join(words)}: {result.output}"
        return result.output

    def told(self, *words: str, env: Mapping[str, str]) -> Any:
        """What such a command tells as JSON."""
        return read_json(self.guichet(*words, "--json", env=env))

    def serve(self, env: Mapping[str, str], *options: str) -> Web:
        """`guichet serve`: web, worker and scheduler together; both listeners answer when this returns."""
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        facts = {"GUICHET_PUBLIC_URL": url, "GUICHET_INTERNAL_LISTEN": ""} | dict(env)
        web = self._web("guichet", "serve", "--port", str(port), *options, env=facts, url=url)
        web.wait_for_log("Stop with Ctrl-C.")  # said once the internal listener takes calls, too
        return web

    def web(
        self, env: Mapping[str, str], *options: str, internal: bool = False, port: int = 0
    ) -> Web:
        """`guichet web`: the public site, or the internal listener, answering when this returns."""
        bind = f"{LOOPBACK}:{port or free_port()}"
        which = ("--internal",) if internal else ()
        command = ("guichet", "web", *which, "--listen", bind, "--workers", "1")
        return self._web(*command, *options, env=env, url=f"http://{bind}")

    def gunicorn(self, env: Mapping[str, str], *options: str, target: str = "wsgi:app") -> Web:
        """`gunicorn wsgi:app`, for operators who prefer it."""
        bind = f"{LOOPBACK}:{free_port()}"
        command = ("gunicorn", target, "--bind", bind, *options)
        return self._web(*command, env=env, url=f"http://{bind}")

    def granian(self, target: str, env: Mapping[str, str], *, workers: int) -> Web:
        """Any ASGI application of Python's path, served as Guichet is."""
        bind = f"{LOOPBACK}:{free_port()}"
        _python, *command = granian(target, bind, workers=workers)
        return self._web("python", *command, env=env, url=f"http://{bind}")

    def worker(self, env: Mapping[str, str], *options: str) -> Child:
        """`celery -A workers worker`, ready when this returns; it alone is given what opens secrets."""
        child = self.unready_worker(env, *options)
        child.wait_for_log(" ready.", within=90)
        return child

    def unready_worker(self, env: Mapping[str, str], *options: str) -> Child:
        """The same, just begun: it is ready once it has reached the broker."""
        env = {**WORKER_KEYS, **env} if "GUICHET_DATABASE_URL" in env else env
        return self.start(
            "celery", "-A", "workers", "worker", "--loglevel", "INFO", *options, env=env
        )

    def beat(self, env: Mapping[str, str], *options: str) -> Child:
        child = self.start(
            "celery", "-A", "workers", "beat", "--loglevel", "INFO", *options, env=env
        )
        child.wait_for_log(" is starting.", within=90)
        return child

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Nothing of the shell's but what programs need to run; of GUICHET_* only what is given."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TZ") if name in os.environ}
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        paths = {"PATH": path, "PYTHONPATH": str(self.tree)}
        paths["PYTHONUNBUFFERED"] = "1"
        data = {"GUICHET_DATA_DIR": str(self.folder / "var"), "GUICHET_ENV_FILE": ""}
        # Many workers run side by side in the suite.
        data["GUICHET_WORKER_METRICS_LISTEN"] = ""
        measured = MEASURED if self.tree == ROOT else {}
        return kept | measured | paths | data | dict(given)

    def end_all(self) -> None:
        for child in reversed(self.started):
            child.end()
        for child in self.started:
            print(f"--- {' '.join(child.argv)}\n{child.log}")  # noqa: T201  pytest shows it when the test failed

    def _web(self, *argv: str, env: Mapping[str, str], url: str) -> Web:
        child = self.start(*argv, env=env, kind=Web)
        child.url = url
        child.wait_until_up()
        return child


def read_json(said: str) -> Any:
    """The JSON of a command, whose messages may stand before it and behind."""
    begin = min(place for place in map(said.find, "[{") if place >= 0)
    return json.JSONDecoder().raw_decode(said[begin:])[0]


@pytest.fixture(scope="module")
def processes_of_file(tmp_path_factory) -> Iterator[Processes]:
    """For processes that the tests of one file share: each of them takes people of its own."""
    processes = Processes(tmp_path_factory.mktemp("processes"))
    yield processes
    processes.end_all()


@pytest.fixture
def guichet_processes(tmp_path) -> Iterator[Processes]:
    folder = tmp_path / "processes"
    folder.mkdir()
    processes = Processes(folder)
    yield processes
    processes.end_all()
