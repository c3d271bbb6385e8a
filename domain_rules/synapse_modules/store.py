"""What the module keeps in Synapse's own database: the last good copy of what Guichet told."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

RULES, AGENTS = "rules", "agents"
# One at a time: on PostgreSQL two processes that start together may both try.
TABLES = (
    """CREATE TABLE IF NOT EXISTS guichet_feeds (
        name TEXT PRIMARY KEY, epoch TEXT NOT NULL, number BIGINT NOT NULL,
        etag TEXT NOT NULL, heard_ms BIGINT NOT NULL, body TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS guichet_agents (
        user_id TEXT PRIMARY KEY, number BIGINT NOT NULL, is_agent SMALLINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS guichet_changed_addresses (
        user_id TEXT PRIMARY KEY, changed_ms BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS guichet_letters (
        id TEXT PRIMARY KEY, until_ms BIGINT NOT NULL)""",
    # What was redacted by somebody whose homeserver let them: Synapse forgets it after a week.
    """CREATE TABLE IF NOT EXISTS guichet_redacted_settings (
        event_id TEXT PRIMARY KEY, json TEXT NOT NULL)""",
)

Version = tuple[str, int, str]  # epoch, number, ETag


@dataclass(frozen=True)
class Feed:
    """Where a feed stands. `heard_ms`: when Guichet last answered, also that nothing changed."""

    epoch: str = ""
    number: int = 0
    etag: str = ""
    heard_ms: int = 0

    @property
    def version(self) -> Version:
        """Changes with the content."""
        return self.epoch, self.number, self.etag


def create(txn: Any, table: str) -> None:
    txn.execute(table)


def feeds(txn: Any) -> dict[str, Feed]:
    txn.execute("SELECT name, epoch, number, etag, heard_ms FROM guichet_feeds")
    return {name: Feed(*facts) for name, *facts in txn.fetchall()}


def body(txn: Any, name: str) -> str:
    txn.execute("SELECT body FROM guichet_feeds WHERE name = ?", (name,))
    return str(txn.fetchone()[0])


def heard(txn: Any, name: str, now_ms: int) -> None:
    """Guichet answered that it is still so."""
    txn.execute("UPDATE guichet_feeds SET heard_ms = ? WHERE name = ?", (now_ms, name))


def store(txn: Any, name: str, feed: Feed, told: Any) -> None:
    txn.execute("DELETE FROM guichet_feeds WHERE name = ?", (name,))
    txn.execute(
        "INSERT INTO guichet_feeds (name, epoch, number, etag, heard_ms, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (name, feed.epoch, feed.number, feed.etag, feed.heard_ms, json.dumps(told)),
    )


def keep_agents(txn: Any, feed: Feed, told: dict[str, Any]) -> None:
    """`complete` takes the place of all there is; otherwise it is what changed."""
    if told["complete"]:
        txn.execute("DELETE FROM guichet_agents")
    _mark(txn, told["removed"], feed.number, is_agent=0)
    _mark(txn, told["added"], feed.number, is_agent=1)
    store(txn, AGENTS, feed, None)


def agents(txn: Any, after: int) -> list[tuple[str, bool]]:
    """Who became an agent, or ceased to be, with a number after this one."""
    txn.execute("SELECT user_id, is_agent FROM guichet_agents WHERE number > ?", (after,))
    return [(user_id, bool(is_agent)) for user_id, is_agent in txn.fetchall()]


def addresses(txn: Any) -> list[tuple[str, str]]:
    """User ID and verified address of everybody here."""
    txn.execute("SELECT user_id, address FROM user_threepids WHERE medium = 'email'")
    return list(txn.fetchall())


def administrators(txn: Any) -> set[str]:
    txn.execute("SELECT name FROM users WHERE admin = 1")
    return {name for (name,) in txn.fetchall()}


def note_change(txn: Any, user_id: str, now_ms: int) -> None:
    """The addresses of this account changed: the other processes look at it again."""
    txn.execute("DELETE FROM guichet_changed_addresses WHERE user_id = ?", (user_id,))
    txn.execute(
        "INSERT INTO guichet_changed_addresses (user_id, changed_ms) VALUES (?, ?)",
        (user_id, now_ms),
    )


def changed_since(txn: Any, at_ms: int) -> list[str]:
    txn.execute("SELECT user_id FROM guichet_changed_addresses WHERE changed_ms > ?", (at_ms,))
    return [user_id for (user_id,) in txn.fetchall()]


def open_letter(txn: Any, letter_id: str, until_ms: int, now_ms: int) -> bool:
    """Whether this letter was not opened before, by any process. It is remembered as long as it is good."""
    txn.execute("DELETE FROM guichet_letters WHERE until_ms <= ?", (now_ms,))
    txn.execute(
        "INSERT INTO guichet_letters (id, until_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (letter_id, until_ms),
    )
    return bool(txn.rowcount == 1)


def _mark(txn: Any, user_ids: Iterable[Any], number: int, *, is_agent: int) -> None:
    """Whom a newer Guichet names otherwise than by a user ID is left out."""
    rows = [(user_id, number, is_agent) for user_id in user_ids if isinstance(user_id, str)]
    txn.executemany("DELETE FROM guichet_agents WHERE user_id = ?", [row[:1] for row in rows])
    txn.executemany("INSERT INTO guichet_agents (user_id, number, is_agent) VALUES (?, ?, ?)", rows)
