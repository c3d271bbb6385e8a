"""A room's state as Synapse's database holds it, read at once.

Synapse's own way to it waits until a room that is being joined is complete, and that may wait for
the very callback that asks. This one waits for nothing, and says whether the room is complete.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain_rules.rooms.room import StateKey, mapping, token_of

MAX_EVENTS = 1000  # events of one room in one look: conversations of two, and settings, have a few


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
    txn: Any, room_id: str, wanted: Iterable[tuple[str, str | None]], most: int = MAX_EVENTS
) -> Rows | None:
    """The state events of these types and keys, of every key where that is None; None for an unknown room.

    Where there are more than `most`, members are left out: a room full of them keeps its settings.
    """
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
        f" WHERE c.room_id = ? AND ({' OR '.join(clauses)})"
        " ORDER BY CASE WHEN c.type = 'm.room.member' THEN 1 ELSE 0 END LIMIT ?",
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
        " WHERE m.room_id = ? AND m.membership = 'invite' AND j.json LIKE ?",
        (room_id, "%third_party_invite%"),  # a big room has many invitations, and few by mail
    )
    tokens = (token_of(_row(text).content) for (text,) in txn.fetchall())
    return frozenset(token for token in tokens if token)


def keep_redacted(txn: Any, kinds: Sequence[str], since_ms: int) -> None:
    """Write down what redactions since then took out of state events of these types, as long as Synapse has it."""
    txn.execute(
        "INSERT INTO guichet_redacted_settings (event_id, json)"  # noqa: S608  # question marks alone
        " SELECT s.event_id, j.json FROM state_events s JOIN event_json j ON j.event_id = s.event_id"
        " WHERE s.event_id IN (SELECT redacts FROM redactions"
        " WHERE NOT have_censored AND received_ts >= ?)"
        f" AND s.state_key = '' AND s.type IN ({_marks(kinds)}) ON CONFLICT (event_id) DO NOTHING",
        (since_ms, *kinds),
    )


def past(txn: Any, room_id: str, kinds: Sequence[str]) -> list[tuple[str, StateRow]]:
    """The settings of these types that ever stood in the room, as they were sent, by type, oldest first.

    Synapse's tables have what was redacted for a week, ours from then on.
    """
    txn.execute(
        "SELECT d.type, COALESCE(k.json, j.json) FROM current_state_delta_stream d"  # noqa: S608  # question marks alone
        " JOIN event_json j ON j.event_id = d.event_id"
        " LEFT JOIN guichet_redacted_settings k ON k.event_id = d.event_id"
        f" WHERE d.room_id = ? AND d.state_key = '' AND d.type IN ({_marks(kinds)})"
        " ORDER BY d.stream_id",
        (room_id, *kinds),
    )
    return [(kind, _row(text)) for kind, text in txn.fetchall()]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _row(text: str) -> StateRow:
    told = json.loads(text)
    return StateRow(told["sender"], mapping(told["content"]), told["origin_server_ts"])
