"""Who is in a room, and whether it holds an invitation by mail: a few rows of Synapse's database, read at once."""

from typing import Any

from domain_rules.rooms.room import CREATE, MEMBER, THIRD_PARTY_INVITE

from . import room_rows
from .cache import server_of


def read(txn: Any, room_id: str, user_id: str, token: str | None, own_name: str) -> dict[str, Any]:
    """`membership`: as in Matrix, null if they never had any. `known`: whether this homeserver can tell.

    `invitation`: whether the event of this token stands in the room and holds keys; null if none was asked about.
    """
    wanted = [(CREATE, ""), (MEMBER, user_id), (THIRD_PARTY_INVITE, token or "")]
    rows = room_rows.read(txn, room_id, wanted)
    events = rows.events if rows else {}
    invited = events.get((THIRD_PARTY_INVITE, token or ""))
    told = {"invitation": bool(invited and invited.content.get("public_key")) if token else None}
    if server_of(user_id) == own_name:
        # Of its own people it knows invitations, too, to rooms that it is not in.
        return told | {"membership": _own(txn, room_id, user_id), "known": True}
    member = events.get((MEMBER, user_id))
    membership = member.content.get("membership") if member else None
    is_whole = rows is not None and not rows.is_partial and (CREATE, "") in events
    return told | {"membership": membership, "known": is_whole}


def _own(txn: Any, room_id: str, user_id: str) -> str | None:
    txn.execute(
        "SELECT membership FROM local_current_membership WHERE room_id = ? AND user_id = ?",
        (room_id, user_id),
    )
    found = txn.fetchone()
    return str(found[0]) if found else None
