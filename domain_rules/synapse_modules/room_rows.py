"""Reads rooms from Synapse's database directly.

Synapse's own methods wait until a room that is being joined is complete, which may itself wait for
the callback that asks. These queries wait for nothing, and tell whether the room is complete.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain_rules.rooms.room import (
    CREATE,
    MEMBER,
    THIRD_PARTY_INVITE,
    StateKey,
    as_mapping,
    token_of,
)
from domain_rules.user_ids import homeserver_of

MAX_EVENTS = 1000  # events of one room in one look: conversations of two, and settings, have a few


@dataclass(frozen=True, slots=True)
class StateRow:
    """A state event as far as the rules need it. `origin_server_ts`: milliseconds."""

    sender: str
    content: Mapping[str, Any]
    origin_server_ts: int


@dataclass(frozen=True)
class Rows:
    """The state that was read.

    `is_partial`: Synapse knows the settings, and is still fetching the members (MSC3706).
    """

    version: str
    is_partial: bool = False
    events: Mapping[StateKey, StateRow] = field(default_factory=dict)


def read_state(
    txn: Any, room_id: str, wanted: Iterable[tuple[str, str | None]], most: int = MAX_EVENTS
) -> Rows | None:
    """State events of these types and keys (None: every key); None for an unknown room.

    If there are more than `most`, members are left out first, so that the settings are read.
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
        "SELECT c.type, c.state_key, j.json FROM current_state_events c"  # noqa: S608  # constants
        " JOIN event_json j ON j.event_id = c.event_id"
        f" WHERE c.room_id = ? AND ({' OR '.join(clauses)})"
        " ORDER BY CASE WHEN c.type = 'm.room.member' THEN 1 ELSE 0 END LIMIT ?",
        (room_id, *values, most),
    )
    events = {(kind, key): _row(text) for kind, key, text in txn.fetchall()}
    return Rows(str(version), partial is not None, events)


def read_membership(
    txn: Any, room_id: str, user_id: str, token: str | None, own_name: str
) -> dict[str, Any]:
    """`membership`: as in Matrix, null if there never was any. `known`: whether we can tell.

    `invitation`: whether the third-party invite with this token stands in the room and has keys;
    null without a token.
    """
    wanted = [(CREATE, ""), (MEMBER, user_id), (THIRD_PARTY_INVITE, token or "")]
    rows = read_state(txn, room_id, wanted)
    events = rows.events if rows else {}
    invited = events.get((THIRD_PARTY_INVITE, token or ""))
    found = {"invitation": bool(invited and invited.content.get("public_key")) if token else None}
    if homeserver_of(user_id) == own_name:
        # Of local users, invitations to rooms that this homeserver is not in are known too.
        return found | {"membership": _own_membership(txn, room_id, user_id), "known": True}
    member = events.get((MEMBER, user_id))
    membership = member.content.get("membership") if member else None
    is_whole = rows is not None and not rows.is_partial and (CREATE, "") in events
    return found | {"membership": membership, "known": is_whole}


def is_partial(txn: Any, room_id: str) -> bool:
    """Whether Synapse is still fetching the members of this room."""
    txn.execute("SELECT 1 FROM partial_state_rooms WHERE room_id = ?", (room_id,))
    return txn.fetchone() is not None


def has_member_with_address(txn: Any, room_id: str, address: str) -> bool:
    """Whether a local account with this verified address has joined the room."""
    txn.execute(
        "SELECT 1 FROM user_threepids t JOIN current_state_events c"
        " ON c.room_id = ? AND c.type = 'm.room.member' AND c.state_key = t.user_id"
        " WHERE t.medium = 'email' AND t.address = ? AND c.membership = 'join'",
        (room_id, address),
    )
    return txn.fetchone() is not None


def read_used_tokens(txn: Any, room_id: str) -> frozenset[str]:
    """Tokens of third-party invites that ever became an invitation in this room."""
    txn.execute(
        "SELECT j.json FROM room_memberships m JOIN event_json j ON j.event_id = m.event_id"
        " WHERE m.room_id = ? AND m.membership = 'invite' AND j.json LIKE ?",
        (room_id, "%third_party_invite%"),  # a large room has many invitations, few of them by mail
    )
    tokens = (token_of(_row(text).content) for (text,) in txn.fetchall())
    return frozenset(token for token in tokens if token)


def save_redacted_settings(txn: Any, kinds: Sequence[str], since_ms: int) -> None:
    """Save what redactions since then removed from state events, while Synapse has it."""
    txn.execute(
        "INSERT INTO guichet_redacted_settings (event_id, json)"  # noqa: S608  # placeholders only
        " SELECT s.event_id, j.json FROM state_events s"
        " JOIN event_json j ON j.event_id = s.event_id"
        " WHERE s.event_id IN (SELECT redacts FROM redactions"
        " WHERE NOT have_censored AND received_ts >= ?)"
        f" AND s.state_key = '' AND s.type IN ({_marks(kinds)}) ON CONFLICT (event_id) DO NOTHING",
        (since_ms, *kinds),
    )


def read_past(txn: Any, room_id: str, kinds: Sequence[str]) -> list[tuple[str, StateRow]]:
    """The settings of these types that ever stood in the room, oldest first, with their type.

    Synapse keeps what was redacted for a week; after that our table has it.
    """
    txn.execute(
        "SELECT d.type, COALESCE(k.json, j.json)"  # noqa: S608  # placeholders only
        " FROM current_state_delta_stream d"
        " JOIN event_json j ON j.event_id = d.event_id"
        " LEFT JOIN guichet_redacted_settings k ON k.event_id = d.event_id"
        f" WHERE d.room_id = ? AND d.state_key = '' AND d.type IN ({_marks(kinds)})"
        " ORDER BY d.stream_id",
        (room_id, *kinds),
    )
    return [(kind, _row(text)) for kind, text in txn.fetchall()]


def _own_membership(txn: Any, room_id: str, user_id: str) -> str | None:
    txn.execute(
        "SELECT membership FROM local_current_membership WHERE room_id = ? AND user_id = ?",
        (room_id, user_id),
    )
    found = txn.fetchone()
    return str(found[0]) if found else None


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _row(text: str) -> StateRow:
    event = json.loads(text)
    return StateRow(event["sender"], as_mapping(event["content"]), event["origin_server_ts"])
