"""Tables of the module in Synapse's database: the last good answers of Guichet."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

RULES, AGENTS = "rules", "agents"
# Created one at a time: on PostgreSQL two processes that start together may both try.
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
    # Settings redacted by users of other homeservers: Synapse deletes them after a week.
    """CREATE TABLE IF NOT EXISTS guichet_redacted_settings (
        event_id TEXT PRIMARY KEY, json TEXT NOT NULL)""",
)

Version = tuple[str, int, str]  # epoch, number, ETag


@dataclass(frozen=True)
class Feed:
    """The state of one feed (rules, agents).

    `heard_ms`: when Guichet last answered, also without changes.
    """

    epoch: str = ""
    number: int = 0
    etag: str = ""
    heard_ms: int = 0

    @property
    def version(self) -> Version:
        """Changes whenever the content does."""
        return self.epoch, self.number, self.etag


def create_table(txn: Any, table: str) -> None:
    txn.execute(table)


def read_feeds(txn: Any) -> dict[str, Feed]:
    """The state of each feed, by name."""
    txn.execute("SELECT name, epoch, number, etag, heard_ms FROM guichet_feeds")
    return {name: Feed(*facts) for name, *facts in txn.fetchall()}


def read_body(txn: Any, name: str) -> str:
    """The stored answer of a feed, as JSON."""
    txn.execute("SELECT body FROM guichet_feeds WHERE name = ?", (name,))
    return str(txn.fetchone()[0])


def record_heard(txn: Any, name: str, now_ms: int) -> None:
    """Guichet answered that nothing changed."""
    txn.execute("UPDATE guichet_feeds SET heard_ms = ? WHERE name = ?", (now_ms, name))


def save_feed(txn: Any, name: str, feed: Feed, body: Any) -> None:
    """Replace a feed and its answer."""
    txn.execute("DELETE FROM guichet_feeds WHERE name = ?", (name,))
    txn.execute(
        "INSERT INTO guichet_feeds (name, epoch, number, etag, heard_ms, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (name, feed.epoch, feed.number, feed.etag, feed.heard_ms, json.dumps(body)),
    )


def save_agents(txn: Any, feed: Feed, body: dict[str, Any]) -> None:
    """Store the agents: all of them if `complete`, else what changed."""
    if body["complete"]:
        txn.execute("DELETE FROM guichet_agents")
    _mark(txn, body["removed"], feed.number, is_agent=0)
    _mark(txn, body["added"], feed.number, is_agent=1)
    save_feed(txn, AGENTS, feed, None)


def read_agents(txn: Any, after: int) -> list[tuple[str, bool]]:
    """Users whose class changed with a number after this one, and whether they are agents."""
    txn.execute("SELECT user_id, is_agent FROM guichet_agents WHERE number > ?", (after,))
    return [(user_id, bool(is_agent)) for user_id, is_agent in txn.fetchall()]


def read_addresses(txn: Any) -> list[tuple[str, str]]:
    """User ID and verified address of all local users."""
    txn.execute("SELECT user_id, address FROM user_threepids WHERE medium = 'email'")
    return list(txn.fetchall())


def read_administrators(txn: Any) -> set[str]:
    """User IDs of the homeserver's administrators."""
    txn.execute("SELECT name FROM users WHERE admin = 1")
    return {name for (name,) in txn.fetchall()}


def record_change(txn: Any, user_id: str, now_ms: int) -> None:
    """Addresses of this account changed; other processes read it from here."""
    txn.execute("DELETE FROM guichet_changed_addresses WHERE user_id = ?", (user_id,))
    txn.execute(
        "INSERT INTO guichet_changed_addresses (user_id, changed_ms) VALUES (?, ?)",
        (user_id, now_ms),
    )


def find_changed_since(txn: Any, at_ms: int) -> list[str]:
    """Accounts whose addresses changed after this time (milliseconds)."""
    txn.execute("SELECT user_id FROM guichet_changed_addresses WHERE changed_ms > ?", (at_ms,))
    return [user_id for (user_id,) in txn.fetchall()]


def spend_request_id(txn: Any, letter_id: str, until_ms: int, now_ms: int) -> bool:
    """Whether this id is new to all processes. It is stored until it expires."""
    txn.execute("DELETE FROM guichet_letters WHERE until_ms <= ?", (now_ms,))
    txn.execute(
        "INSERT INTO guichet_letters (id, until_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (letter_id, until_ms),
    )
    return bool(txn.rowcount == 1)


def _mark(txn: Any, user_ids: Iterable[Any], number: int, *, is_agent: int) -> None:
    """Entries that are not a user ID are left out: a newer Guichet may send them."""
    rows = [(user_id, number, is_agent) for user_id in user_ids if isinstance(user_id, str)]
    txn.executemany("DELETE FROM guichet_agents WHERE user_id = ?", [row[:1] for row in rows])
    txn.executemany("INSERT INTO guichet_agents (user_id, number, is_agent) VALUES (?, ?, ?)", rows)
