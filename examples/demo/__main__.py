"""`python -m examples.demo`: starts everything, prints the URLs, runs until Ctrl-C."""

import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import click
import requests

from identity.core.clock import utc_now

from . import (
    antivirus,
    authority,
    children,
    domain_request,
    messenger,
    people,
    proxy,
    scanner,
    screen,
)
from .antivirus import Antivirus
from .children import ROOT, Child, Failed
from .demo_folder import DemoFolder
from .guichet import Guichet
from .messenger import Messenger
from .operators import Operators
from .people import Person
from .proxy import Proxy
from .scanner import Scanner
from .synapse import LOOPBACK, PYTHON, Homeserver

PORTS = 12
CLASS_SOURCES = {"agents": "agent", "guests": "guest", "mixed": "by_person"}


class Demo:
    """Sets up and runs all processes, in the order an operator would."""

    def __init__(self, folder: Path, port: int, *, with_scanner: bool = False) -> None:
        self.folder = folder
        self.running: list[Child] = []
        self._certificates = authority.make_certificates(folder, utc_now())
        nginx = proxy.program()
        self.agents, self.guests, self.mixed = self.homeservers = [
            Homeserver(
                name,
                folder / name,
                self._certificates,
                port=port + 1 + 2 * number,
                class_source=source,
                own_port=port + 6 + number if nginx and source != "agent" else None,
            )
            for number, (name, source) in enumerate(CLASS_SOURCES.items())
        ]
        self.messenger = (
            Messenger(folder / "messenger", port=port + 9, homeservers=self.homeservers)
            if nginx and messenger.is_built()
            else None
        )
        self.guichet = Guichet(
            folder / "guichet",
            self._certificates,
            port=port,
            client_url=self.messenger.link if self.messenger else None,
        )
        clamd = antivirus.program()
        self._antivirus = Antivirus(clamd, folder / "clamd") if clamd else None
        self._scanner, self._no_scanner = None, None
        if with_scanner:
            self._no_scanner = scanner.missing(nginx=bool(nginx), clamd=bool(clamd))
        if with_scanner and self._antivirus and not self._no_scanner:
            self._scanner = Scanner(
                folder / "scanner", self._antivirus, self.agents, port=port + 10
            )
        self._proxy = (
            Proxy(
                nginx,
                folder / "nginx",
                (self.guests, self.mixed),
                identity_server=self.guichet.name,
                others=[part.server() for part in (self.messenger, self._scanner) if part],
            )
            if nginx
            else None
        )

    def start(self) -> dict[str, Any]:
        """Start everything; return the facts for demo.json."""
        screen.say("Three Synapses start for the first time…")
        self._start_synapses()
        for homeserver in self.homeservers:
            homeserver.make_administrator()
        screen.say("Guichet gets to know them…")
        self._configure()
        self._stop(*self.running)
        screen.say("Guichet starts, and they with its module…")
        self.running.append(self.guichet.start())
        self._start_part(self._antivirus)
        self._start_synapses()
        self.running[0].wait_until(self.guichet.answers)
        self._start_part(self._proxy)
        self._start_part(self._scanner)
        screen.say("The first people come…")
        return self._make_people()

    def ask_for_a_domain(self) -> str:
        """Somebody waits for operators; returns the name of the request."""
        return domain_request.ask(self.guichet.folder, url=self.guichet.url)

    def operate(self) -> Operators:
        """Operators of the console, one of each role."""
        return Operators(self.guichet.folder, url=self.guichet.url)

    def watch(self, do: Callable[[], None]) -> None:
        """Wait until Ctrl-C, and `do` this all the while. Raises Failed if a process ends before."""
        while True:
            for child in self.running:
                if not child.is_running:
                    raise Failed(f"{child.name} has ended: {child.log}")
            do()
            time.sleep(children.POLL)

    def stop(self) -> None:
        """Stop all processes."""
        self._stop(*self.running)

    def _stop(self, *these: Child) -> None:
        children.stop(these)
        self.running = [child for child in self.running if child not in these]

    def _start_synapses(self) -> None:
        for homeserver in self.homeservers:
            self.running.append(homeserver.start())
        for homeserver in self.homeservers:
            homeserver.wait()

    def _start_part(self, part: Proxy | Antivirus | Scanner | None) -> None:
        """Start it, if this machine has it; `missing` tells if not."""
        if part:
            child = part.start()
            self.running.append(child)
            child.wait_until(part.answers)

    def missing(self) -> list[str]:
        """A line for each part that cannot be had on this machine."""
        told = [
            None if self._proxy else proxy.NOT_INSTALLED,
            None if self.messenger or not self._proxy else messenger.NOT_BUILT,
            None if self._antivirus else antivirus.NOT_INSTALLED,
            self._no_scanner,
        ]
        return [line for line in told if line]

    def _configure(self) -> None:
        for homeserver, label in (
            (self.agents, "Agents"),
            (self.guests, "Externes"),
            (self.mixed, "Agents et externes"),
        ):
            credential = self.guichet.register(homeserver, label=label)
            homeserver.load_module(
                guichet_url=self.guichet.url,
                credential=credential,
                identity_server=self.guichet.name,
                others=[self._antivirus.module(homeserver.folder)] if self._antivirus else [],
            )
        mixed = self.mixed.server_name
        self.guichet.open_domains(
            {"domain": "agents.example", "homeserver": self.agents.server_name},
            {"domain": "mixed.example", "homeserver": mixed},
            {"domain": "visitors.example", "homeserver": mixed, "class": "guest"},
        )

    def _make_people(self) -> dict[str, Any]:
        users = {
            "agent": people.make_person(
                self.agents, "ana", name="Ana Petit [Agents]", address="ana@agents.example"
            ),
            "guest": people.make_person(
                self.guests, "gil", name="Gil Morel", address="gil@association.example"
            ),
            "mixed_agent": people.make_person(
                self.mixed, "mia", name="Mia Roux [Mixte]", address="mia@mixed.example"
            ),
            "mixed_guest": people.make_person(
                self.mixed, "max", name="Max Blanc", address="max@visitors.example"
            ),
        }
        room = people.make_closed_room(users["agent"])
        people.introduce(users["agent"], users["mixed_agent"])
        people.invite_by_mail(
            users["agent"],
            screen.INVITED,
            identity_server=self.guichet.name,
            ca_file=str(self._certificates.ca_file),
        )
        return self._facts(users, room)

    def _facts(self, users: dict[str, Person], room: str) -> dict[str, Any]:
        return {
            "guichet": self.guichet.url,
            "console": f"{self.guichet.url}/admin/",
            "mailbox": f"{self.guichet.url}/dev/mail.json",
            "ca_file": str(self._certificates.ca_file),
            "proxy": bool(self._proxy),
            "messenger": self.messenger and self.messenger.url,
            "antivirus": bool(self._antivirus),
            "scanner": bool(self._scanner),
            "homeservers": {
                each.name: {"server_name": each.server_name, "client_url": each.client_url}
                for each in self.homeservers
            },
            "users": {role: person.facts() for role, person in users.items()},
            "room": room,
        }


@click.command()
@click.option("--folder", default="var/demo", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--port",
    default=18400,
    show_default=True,
    type=click.IntRange(1024, 65000),
    help="The first of twelve ports.",
)
@click.option(
    "--scanner",
    "with_scanner",
    is_flag=True,
    help="Also run a scanner of encrypted files: docs/antivirus.md.",
)
def demo(folder: Path, port: int, *, with_scanner: bool) -> None:
    """Run three Synapses with Guichet's module, nginx, clamd and Guichet, until Ctrl-C.

    Every start begins anew.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # also if a shell had it ignored
        signal.signal(number, _interrupt)
    try:
        _check(port)
        with DemoFolder(folder if folder.is_absolute() else ROOT / folder) as demo_folder:
            _run(demo_folder, Demo(demo_folder.folder, port, with_scanner=with_scanner))
    except (Failed, requests.RequestException) as error:
        click.echo(f"demo: {error}", err=True)
        sys.exit(1)


def _run(demo_folder: DemoFolder, running: Demo) -> None:
    try:
        facts = running.start()
        facts |= {"domain_request": running.ask_for_a_domain()}
        with closing(running.operate()) as operators:

            def publish() -> None:
                demo_folder.publish(facts | {"operators": operators.facts()})

            publish()
            screen.show(facts, demo_folder.facts_file, running.missing())
            running.watch(lambda: publish() if operators.renew() else None)
    except KeyboardInterrupt:
        screen.say("Stopping…")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        demo_folder.facts_file.unlink(missing_ok=True)  # first: while it exists, everything runs
        running.stop()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check(port: int) -> None:
    """Raise Failed if Synapse is not installed or a port is in use, before anything starts."""
    if not PYTHON.exists():
        raise Failed("Synapse is not installed: make .venv-synapse/.ready")
    for each in range(port, port + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, each))
            except OSError as error:
                raise Failed(
                    f'port {each}: {error.strerror}; choose others: make demo ARGS="--port 20000"'
                ) from None


if __name__ == "__main__":
    demo()
