"""A room's state as Synapse's database holds it, read at once.

Synapse's own way to it waits until a room that is being joined is complete, and that may wait for
the very callback that asks. This one waits for nothing, and says whether the room is complete.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain_rules.rooms import StateKey, mapping, token_of

MOST = 1000  # events of one room in one look: conversations of two, and settings, have a few


@dataclass(frozen=True, slots=True)
class StateRow:
    """A state event, as far as rules look at it. `origin_server_ts`: milliseconds."""

    sender: str
    content: Mapping[str, Any]
    origin_server_ts: int


@dataclass(frozen=True)
class Rows:
    """`is_partial`: Synapse knows who joined last and the settings, and fetches the other members still."""

    version: str
    is_partial: bool = False
    events: Mapping[StateKey, StateRow] = field(default_factory=dict)


def read(
    txn: Any, room_id: str, wanted: Iterable[tuple[str, str | None]], most: int = MOST
) -> Rows | None:
    """The state events of these types and keys, of every key where that is None; None for an unknown room."""
    txn.execute(
        "SELECT r.room_version, p.room_id FROM rooms r"
        " LEFT JOIN partial_state_rooms p ON p.room_id = r.room_id WHERE r.room_id = ?",
        (room_id,),
    )
    found = txn.fetchone()
    if found is None:
        return None
    version, partial = found
    clauses, values = [], []
    for kind, key in wanted:
        clauses.append("c.type = ?" if key is None else "(c.type = ? AND c.state_key = ?)")
        values += [kind] if key is None else [kind, key]
    txn.execute(
        "SELECT c.type, c.state_key, j.json FROM current_state_events c"  # noqa: S608  # made of the texts above
        " JOIN event_json j ON j.event_id = c.event_id"
        f" WHERE c.room_id = ? AND ({' OR '.join(clauses)}) LIMIT ?",
        (room_id, *values, most),
    )
    events = {(kind, key): _row(text) for kind, key, text in txn.fetchall()}
    return Rows(str(version), partial is not None, events)


def is_partial(txn: Any, room_id: str) -> bool:
    """Whether Synapse is still fetching who is in this room."""
    txn.execute("SELECT 1 FROM partial_state_rooms WHERE room_id = ?", (room_id,))
    return txn.fetchone() is not None


def is_here(txn: Any, room_id: str, address: str) -> bool:
    """Whether an account of this homeserver with that verified address has joined the room."""
    txn.execute(
        "SELECT 1 FROM user_threepids t JOIN current_state_events c"
        " ON c.room_id = ? AND c.type = 'm.room.member' AND c.state_key = t.user_id"
        " WHERE t.medium = 'email' AND t.address = ? AND c.membership = 'join'",
        (room_id, address),
    )
    return txn.fetchone() is not None


def used_tokens(txn: Any, room_id: str) -> frozenset[str]:
    """Of third-party invites in this room that somebody was ever invited by, also those who are out again."""
    txn.execute(
        "SELECT j.json FROM room_memberships m JOIN event_json j ON j.event_id = m.event_id"
        " WHERE m.room_id = ? AND m.membership = 'invite'",
        (room_id,),
    )
    tokens = (token_of(_row(text).content) for (text,) in txn.fetchall())
    return frozenset(token for token in tokens if token)


def keep_redacted(txn: Any, kinds: Sequence[str], since_ms: int) -> None:
    """Write down what redactions since then took out of state events of these types, as long as Synapse has it."""
    txn.execute(
        "SELECT s.room_id, s.type, j.json FROM redactions r"  # noqa: S608  # question marks alone
        " JOIN state_events s ON s.event_id = r.redacts JOIN event_json j ON j.event_id = r.redacts"
        " WHERE NOT r.have_censored AND r.received_ts >= ? AND s.state_key = ''"
        f" AND s.type IN ({', '.join('?' * len(kinds))}) ORDER BY r.received_ts",
        (since_ms, *kinds),
    )
    for room_id, kind, text in txn.fetchall():
        txn.execute(
            "INSERT INTO guichet_redacted_settings (room_id, type, json) VALUES (?, ?, ?)"
            " ON CONFLICT (room_id, type) DO UPDATE SET json = excluded.json",
            (room_id, kind, text),
        )


def before_redaction(txn: Any, room_id: str, kinds: Sequence[str]) -> dict[str, StateRow]:
    """The settings of these types that stand in the room, with the content they were sent with; by type.

    Synapse's tables have it for a week after a redaction, ours from then on.
    """
    rows = read(txn, room_id, [(kind, "") for kind in kinds])
    found = {kind: row for (kind, _), row in rows.events.items() if row.content} if rows else {}
    txn.execute("SELECT type, json FROM guichet_redacted_settings WHERE room_id = ?", (room_id,))
    kept = {kind: _row(text) for kind, text in txn.fetchall() if kind in kinds}
    return kept | found


def _row(text: str) -> StateRow:
    told = json.loads(text)
    return StateRow(told["sender"], mapping(told["content"]), told["origin_server_ts"])
