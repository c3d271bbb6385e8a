"""Reads who is in a room, and whether an invitation by mail stands there."""

from typing import Any

from domain_rules.rooms.room import CREATE, MEMBER, THIRD_PARTY_INVITE
from domain_rules.user_ids import homeserver_of

from . import room_rows


def read_membership(
    txn: Any, room_id: str, user_id: str, token: str | None, own_name: str
) -> dict[str, Any]:
    """`membership`: as in Matrix, null if there never was any. `known`: whether we can tell.

    `invitation`: whether the third-party invite with this token stands in the room and has keys;
    null without a token.
    """
    wanted = [(CREATE, ""), (MEMBER, user_id), (THIRD_PARTY_INVITE, token or "")]
    rows = room_rows.read_state(txn, room_id, wanted)
    events = rows.events if rows else {}
    invited = events.get((THIRD_PARTY_INVITE, token or ""))
    found = {"invitation": bool(invited and invited.content.get("public_key")) if token else None}
    if homeserver_of(user_id) == own_name:
        # Of local users, invitations to rooms that this homeserver is not in are known too.
        return found | {"membership": _own(txn, room_id, user_id), "known": True}
    member = events.get((MEMBER, user_id))
    membership = member.content.get("membership") if member else None
    is_whole = rows is not None and not rows.is_partial and (CREATE, "") in events
    return found | {"membership": membership, "known": is_whole}


def _own(txn: Any, room_id: str, user_id: str) -> str | None:
    txn.execute(
        "SELECT membership FROM local_current_membership WHERE room_id = ? AND user_id = ?",
        (room_id, user_id),
    )
    found = txn.fetchone()
    return str(found[0]) if found else None
