"""One database, broker and relay, and processes of this version and of the one before on them."""

import json
import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from sqlalchemy import MetaData, create_engine, text

from tests.services.keys import WORKER_KEYS
from tests.services.peer import Peer
from tests.services.person import code_in, plain
from tests.services.processes import Processes, Web
from tests.services.smtp import Relay

BEFORE = "0016"  # the schema of the version before
V2 = "/_matrix/identity/v2"
AGENTS, GUESTS = "education.example", "guests.example"
ZOE = f"@zoe:{AGENTS}"
GUNICORN = ("--no-control-socket", "--worker-class", "gthread", "--threads", "8")
ALIVE = "worker_heartbeats"
# Several commands in one process of the version before: each would load it for a second.
COMMANDS = """
import json, sys
from click.testing import CliRunner
from identity.cli.commands import guichet
done = [CliRunner().invoke(guichet, words) for words in json.loads(sys.argv[1])]
print(json.dumps([[each.exit_code, each.output] for each in done]))
"""

Rows = Mapping[str, list[dict[str, Any]]]


@dataclass
class TwoVersions:
    """`old` and `new` start processes; all have the same `environment`."""

    old: Processes
    new: Processes
    environment: dict[str, str]
    relay: Relay
    peer: Peer
    tokens: dict[str, str] = field(default_factory=dict)  # at the identity server, by user

    def command_before(self, *commands: Sequence[str]) -> list[str]:
        """Commands of the version before, one after the other; what each wrote."""
        env = {**self.environment, **WORKER_KEYS}
        said = self.old.run("python", "-c", COMMANDS, json.dumps(commands), env=env)
        done = json.loads(said.splitlines()[-1])
        for words, (code, output) in zip(commands, done, strict=True):
            assert code == 0, f"{words}: {output}"
        return [output for _, output in done]

    def command(self, *words: str) -> str:
        """A command of this version."""
        return self.new.guichet(*words, env=self.environment)

    def web_before(self) -> Web:
        return self.old.gunicorn(self.environment, *GUNICORN)

    def rows(self) -> Rows:
        """All rows of all tables, but what no two looks see alike: what waits, who is alive."""
        engine = create_engine(self.environment["GUICHET_DATABASE_URL"])
        found = MetaData()
        with warnings.catch_warnings():
            # SQLAlchemy leaves such an index out on SQLite, and only rows are asked for here.
            warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based")
            found.reflect(engine)
        with engine.connect() as connection:
            rows = {
                name: [dict(row) for row in connection.execute(table.select()).mappings()]
                for name, table in found.tables.items()
                if name not in {"alembic_version", ALIVE}
            }
        engine.dispose()
        rows["outbox"] = [row for row in rows["outbox"] if row["done_at"]]
        rows["mails"] = [row for row in rows["mails"] if row["handed_at"]]
        for row in rows["hashing_key"]:
            del row["settled_at"]
        return rows

    def count_open_jobs(self) -> int:
        engine = create_engine(self.environment["GUICHET_DATABASE_URL"])
        with engine.connect() as connection:
            query = text("select count(*) from outbox where done_at is null")
            found = connection.scalar(query)
        engine.dispose()
        return int(found or 0)

    def identity(
        self, web: Web, method: str, path: str, *, who: str = ZOE, **body: Any
    ) -> requests.Response:
        """A call as the client of this user makes it."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who in self.tokens else {}
        how = {"params" if method == "GET" else "json": body}
        return requests.request(method, f"{web.url}{V2}{path}", headers=headers, timeout=60, **how)

    def sign_in(self, web: Web, who: str = ZOE) -> None:
        """Their homeserver vouches for them, and the identity server gives them a token."""
        self.peer.users[f"of {who}"] = who
        facts = {"access_token": f"of {who}", "token_type": "Bearer", "expires_in": 3600}
        name = who.partition(":")[2]
        answer = self.identity(web, "POST", "/account/register", matrix_server_name=name, **facts)
        assert answer.ok, answer.text
        self.tokens[who] = answer.json()["token"]

    def ask_for_code(self, web: Web, address: str, who: str = ZOE) -> "Proof":
        """requestToken; gives it once the mail with the code has come."""
        if who not in self.tokens:
            self.sign_in(web, who)
        proof, number = Proof(address, who), len(self.relay.to(address)) + 1
        asked = {"client_secret": proof.secret, "email": address, "send_attempt": 1}
        path = "/validate/email/requestToken"
        answer = self.identity(web, "POST", path, who=who, **asked)
        assert answer.ok, answer.text
        proof.sid = answer.json()["sid"]
        self.relay.wait_for_mail(address, number=number)
        return proof

    def hand_in(self, web: Web, proof: "Proof") -> None:
        """submitToken, with the code of the newest mail."""
        code = code_in(plain(self.relay.to(proof.address)[-1]))
        path = "/validate/email/submitToken"
        answer = self.identity(web, "POST", path, who=proof.who, token=code, **proof.facts)
        assert answer.json() == {"success": True}, answer.text

    def bind(self, web: Web, proof: "Proof") -> None:
        """The address is theirs from now on."""
        self.hand_in(web, proof)
        asked = {"mxid": proof.who, **proof.facts}
        answer = self.identity(web, "POST", "/3pid/bind", who=proof.who, **asked)
        assert answer.json().get("mxid") == proof.who, answer.text

    def invite(self, web: Web, address: str, room: str) -> str:
        """store-invite, as a homeserver calls it; the token of the invitation."""
        facts = {"medium": "email", "room_id": room, "sender": ZOE, "room_name": "Cellule d’appui"}
        answer = self.identity(web, "POST", "/store-invite", address=address, **facts)
        assert answer.ok, answer.text
        return str(answer.json()["token"])


@dataclass
class Proof:
    """A validation session of a user at the identity server."""

    address: str
    who: str
    secret: str = field(default_factory=lambda: uuid.uuid4().hex)
    sid: str = ""

    @property
    def facts(self) -> dict[str, str]:
        return {"sid": self.sid, "client_secret": self.secret}


def part_of(rows: Rows, pattern: Rows) -> Rows:
    """Of these rows the tables and columns that `pattern` has, where it has rows to show them."""
    return {
        name: [{column: row[column] for column in like[0]} for row in rows[name]]
        for name, like in pattern.items()
        if like and name in rows
    }


def lost(before: Rows, after: Rows) -> dict[str, list[dict[str, Any]]]:
    """The rows of `before` that are not in `after`, or not the same, by table."""
    there = part_of(after, before)
    return {
        name: missing
        for name, rows in before.items()
        if (missing := [row for row in rows if row not in there.get(name, [])])
    }
