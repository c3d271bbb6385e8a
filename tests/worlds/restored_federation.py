"""Two real Synapses, every process of Guichet on PostgreSQL, a relay, and dumps of the database."""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.services.certificates import Authority
from tests.services.children import Child
from tests.services.guichet_synapse import OF_GUESTS, GuichetHomeserver, started
from tests.services.identity_server import add_homeserver, identity_server_settings, trusted
from tests.services.person import PASSWORD, Person, code_in, plain
from tests.services.postgresql import PostgreSQLServer
from tests.services.processes import ROOT, Processes, Web
from tests.services.production import ask_database, wait_until_done
from tests.services.smtp import Relay
from tests.services.waiting import wait_for
from tests.worlds.matrix import User
from tests.worlds.synapse_rooms import RULE

AGENTS, GUESTS = "agents.example", "asso.example"
OPEN = {"type": RULE, "state_key": "", "content": {"rule": "unrestricted"}}
CREDENTIAL = "guichet_of_the_{}"


@dataclass
class Restored:
    """Guichet makes accounts on `agents`; on `guests` people have them already."""

    agents: GuichetHomeserver
    guests: GuichetHomeserver
    processes: Processes
    server: PostgreSQLServer
    relay: Relay
    env: dict[str, str]
    authority: Authority
    web: Web | None = None
    worker: Child | None = None
    file: Path | None = None  # the dump

    @property
    def url(self) -> str:
        return self.env["GUICHET_PUBLIC_URL"]

    @property
    def id_server(self) -> str:
        return self.url.removeprefix("https://")

    def guichet(self, *words: str) -> Any:
        """What a command tells as JSON."""
        return self.processes.told(*words, env=self.env)

    def register(self) -> None:
        """Both homeservers, with the credentials that their modules were given, and the rules."""
        add_homeserver(self.processes, self.env, self.agents)
        listen = ("--url", self.guests.url, "--federation-url", self.guests.federation_url)
        ca = ("--ca-file", str(self.authority.ca_file), "--guests")
        add = ("homeserver", "add", self.guests.server_name, *listen, *ca)
        self.processes.guichet(*add, env=self.env)
        for homeserver in (self.agents, self.guests):
            name = homeserver.server_name
            credential = hashlib.sha256(homeserver._credential.encode()).hexdigest()
            ask_database(
                self.env,
                f"update homeserver_credentials set token_hash = '{credential}'"
                f" where homeserver = '{name}'",
            )
        add = ("domain", "add", AGENTS, "--homeserver", self.agents.server_name)
        self.processes.guichet(*add, env=self.env)

    def serve(self) -> None:
        """The web over TLS, and the scheduler; they begin while the homeservers do."""
        certificate = self.authority.issue("localhost", "127.0.0.1")
        port = self.url.rpartition(":")[2]
        tls = ("--certfile", str(certificate.certificate), "--keyfile", str(certificate.key))
        command = ("gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{port}", "--threads", "4")
        self.web = self.processes.start(
            *command, "--no-control-socket", *tls, env=self.env, kind=Web
        )
        self.web.url = self.url
        self.processes.start("celery", "-A", "workers", "beat", env=self.env)

    def start_worker(self) -> None:
        """It is seen when this returns: without a worker, no password is taken."""
        self.worker = self.processes.worker(self.env, "--concurrency", "3")
        self.wait_for_worker()

    def wait_for_worker(self) -> None:
        lately = "seen_at > now() - interval '5 seconds'"
        seen = f"select 1 from worker_heartbeats where kind = 'worker' and {lately}"
        wait_for(lambda: ask_database(self.env, seen), what="the worker is seen", pause=0.1)

    def ticks(self) -> int:
        return ask_database(self.env, "select ticks from installation")[0][0]

    def is_held(self) -> bool:
        return "held" in requests.get(f"{self.url}/readyz", timeout=60).json()["degraded"]

    def dump(self) -> None:
        """By the script that operators let run every night."""
        folder = self.processes.folder / "dumps"
        folder.mkdir()
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.server.port), "PGUSER": "postgres"}
        subprocess.run(
            [ROOT / "deploy/guichet-backup", folder, self.database],
            env=self.processes.environment(self.env | where),
            cwd=folder,
            check=True,
        )
        (self.file,) = folder.iterdir()

    def load(self) -> None:
        """As docs/operations.md says; all connections are cut."""
        self._run("dropdb", "--force", self.database)
        self._run("createdb", self.database)
        self._run(
            "pg_restore",
            "--exit-on-error",
            "--single-transaction",
            f"--dbname={self.database}",
            str(self.file),
        )
        self.processes.guichet("db", "upgrade", env=self.env)

    @property
    def database(self) -> str:
        return self.env["GUICHET_DATABASE_URL"].rpartition("/")[2]

    def _run(self, program: str, *words: str) -> None:
        where = ("--host=127.0.0.1", f"--port={self.server.port}", "--username=postgres")
        subprocess.run([self.server.binaries / program, *where, *words], check=True)

    def wait_until_done(self) -> None:
        wait_until_done(self.env)

    def knows(self, user_id: str, address: str) -> bool:
        """Whether the module has reported this address."""
        found = ask_database(
            self.env,
            f"select 1 from associations where user_id = '{user_id}' and address = '{address}'",
        )
        return bool(found)

    def state_of_account(self, address: str) -> str:
        """As it stands in the books of Guichet."""
        asked = f"select state from accounts where address = '{address}'"
        return ask_database(self.env, asked)[0][0]

    def mails(self) -> Counter[tuple[str, str]]:
        """By recipient and template."""
        return Counter(
            (each["To"], each["X-Guichet-Template"].partition(";")[0])
            for each in self.relay.messages
        )

    def message_ids(self) -> Counter[str]:
        return Counter(each["Message-ID"] for each in self.relay.messages)

    def onbinds(self) -> int:
        """How often any homeserver was told of an invitation."""
        return sum(
            each.log.count("POST /_matrix/federation/v1/3pid/onbind")
            for each in (self.agents, self.guests)
        )


def has_address(user: User, address: str) -> None:
    """The homeserver has verified it, and tells its module."""
    path = f"/_synapse/admin/v2/users/{quote(user.user_id)}"
    told = {"threepids": [{"medium": "email", "address": address}]}
    assert user.homeserver.call("PUT", path, json=told).ok


def tokens(person: User, room: str) -> set[str]:
    """The invitations by mail that stand open in the room."""
    state = person.matrix("GET", f"/rooms/{quote(room)}/state")
    return {
        each["state_key"]
        for each in state
        if each["type"] == "m.room.third_party_invite" and each["content"].get("public_key")
    }


def confirmed(world: Restored, address: str) -> Person:
    """Somebody who has typed the code of their mail."""
    person = Person(world.url)
    person.ask(address)
    person.type_code(code_in(plain(world.relay.wait_for_mail(address))))
    return person


def logs_in(world: Restored, address: str) -> bool:
    by_mail = {"type": "m.id.thirdparty", "medium": "email", "address": address}
    return world.agents.log_in(by_mail, PASSWORD).ok


@pytest.fixture
def restored(
    production, guichet_processes, postgresql_server, smtp_server, authority, tmp_path
) -> Iterator[Restored]:
    env = production | identity_server_settings(smtp_server)
    url = env["GUICHET_PUBLIC_URL"]
    homeservers = []
    for name, further in (("agents", {}), ("guests", OF_GUESTS)):
        (tmp_path / name).mkdir()
        homeservers.append(
            GuichetHomeserver(
                tmp_path / name,
                authority,
                guichet_url=url,
                credential=CREDENTIAL.format(name),
                module={"ca_file": str(authority.ca_file)},
                room_prejoin_state={"additional_event_types": [RULE]},
                **further,
            )
        )
    guichet_processes.guichet("db", "upgrade", env=env)
    made = Restored(*homeservers, guichet_processes, postgresql_server, smtp_server, env, authority)
    made.serve()
    with trusted(authority), started(*homeservers):
        made.register()
        made.start_worker()
        made.web.wait_until_up()
        yield made
