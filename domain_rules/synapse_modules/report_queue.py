"""The queue of reports in Synapse's database, and the queries that fill it."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from domain_rules.rooms.room import MEMBER, THIRD_PARTY_INVITE
from domain_rules.user_ids import homeserver_of

from . import store
from .reports import (
    AccountAddress,
    KnownAddress,
    Report,
    ReportKind,
    SeenEvent,
    StandingInvitation,
    reports_of_new_epoch,
)

TABLES = (
    """CREATE TABLE IF NOT EXISTS guichet_reports (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, facts TEXT NOT NULL, at_ms BIGINT NOT NULL,
        turn BIGINT NOT NULL, place BIGINT NOT NULL, is_sent SMALLINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS guichet_heard (
        user_id TEXT NOT NULL, address TEXT NOT NULL, told TEXT NOT NULL,
        revision BIGINT NOT NULL, PRIMARY KEY (user_id, address))""",
    """CREATE TABLE IF NOT EXISTS guichet_binder (name TEXT PRIMARY KEY, value TEXT NOT NULL)""",
)
PLACE, START, EPOCH = "place", "start", "epoch"
# Stream positions are assigned before events are written: read again what may arrive late.
OVERLAP = 200
MAX_EVENTS = 500  # in one read


def enqueue(txn: Any, reports: Iterable[Report], turn: int) -> None:
    """Queue the reports that are not queued yet. `turn`: the position in the order of sending."""
    for number, report in enumerate(reports):
        txn.execute(
            "INSERT INTO guichet_reports (id, kind, facts, at_ms, turn, place, is_sent)"
            " VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
            (
                *(report.id, report.kind.value, json.dumps(dict(report.facts)), report.at_ms),
                *(turn + number, report.place),
            ),
        )


def read_waiting(txn: Any, most: int) -> list[Report]:
    """The reports to send next, at most `most`."""
    txn.execute(
        "SELECT id, kind, facts, at_ms, place FROM guichet_reports WHERE is_sent = 0"
        " ORDER BY turn, id LIMIT ?",
        (most,),
    )
    return [
        Report(ReportKind(kind), at_ms, json.loads(facts), report_id, place)
        for report_id, kind, facts, at_ms, place in txn.fetchall()
    ]


def mark_sent(txn: Any, reports: Iterable[Report]) -> None:
    """Record that Guichet has the reports.

    Those of events stay while the event may be read again.
    """
    for report in reports:
        if report.place:
            txn.execute("UPDATE guichet_reports SET is_sent = 1 WHERE id = ?", (report.id,))
        else:
            txn.execute("DELETE FROM guichet_reports WHERE id = ?", (report.id,))


def record_known_address(txn: Any, pair: AccountAddress, heard: KnownAddress | None) -> None:
    """Record that Guichet knows this address of this account; None: not any more."""
    txn.execute("DELETE FROM guichet_heard WHERE user_id = ? AND address = ?", pair)
    if heard is not None:
        txn.execute(
            "INSERT INTO guichet_heard (user_id, address, told, revision) VALUES (?, ?, ?, ?)",
            (*pair, heard.result, heard.revision),
        )


def read_addresses(
    txn: Any,
) -> tuple[list[AccountAddress], dict[AccountAddress, KnownAddress], set[AccountAddress]]:
    """Addresses verified here, those Guichet knows, and those with a report waiting."""
    here = store.read_addresses(txn)
    txn.execute("SELECT user_id, address, told, revision FROM guichet_heard")
    heard = {
        (user_id, address): KnownAddress(result, revision)
        for user_id, address, result, revision in txn.fetchall()
    }
    txn.execute(
        "SELECT facts FROM guichet_reports WHERE is_sent = 0 AND kind IN (?, ?)",
        (ReportKind.BOUND.value, ReportKind.UNBOUND.value),
    )
    facts = [json.loads(text) for (text,) in txn.fetchall()]
    return here, heard, {(one["user_id"], one["address"]) for one in facts}


def begin_epoch(
    txn: Any, epoch: str, turn: int, *, own_name: str, guichet_names: Collection[str], at_ms: int
) -> int | None:
    """If Guichet has another database than before, queue what it may not know.

    Addresses follow with the next comparison. Returns how many reports; None: it is the same
    database, or the first.
    """
    known = _value(txn, EPOCH)
    if known == epoch:
        return None
    _set_value(txn, EPOCH, epoch)
    if known is None:
        return None
    txn.execute("DELETE FROM guichet_heard")
    standing = read_standing(txn, own_name, guichet_names)
    found = reports_of_new_epoch(standing, _read_deactivated(txn), epoch=epoch, at_ms=at_ms)
    enqueue(txn, found, turn)
    return len(found)


def read_standing(
    txn: Any, own_name: str, guichet_names: Collection[str]
) -> list[StandingInvitation]:
    """The invitations by mail, from users of this homeserver, that Guichet keeps.

    They stand in rooms and nobody has taken them up. Those of other identity servers are left out.
    """
    txn.execute(
        "SELECT c.event_id, c.room_id, c.state_key, j.json FROM current_state_events AS c"
        " JOIN event_json AS j ON j.event_id = c.event_id WHERE c.type = ?",
        (THIRD_PARTY_INVITE,),
    )
    found = [
        StandingInvitation(
            event_id,
            room_id,
            token,
            event["sender"],
            str(event["content"].get("display_name") or ""),
            event["origin_server_ts"],
        )
        for event_id, room_id, token, text in txn.fetchall()
        if (event := json.loads(text))["content"].get("public_key")
        and homeserver_of(event["sender"]) == own_name
        and _is_kept_by(event["content"], guichet_names)
    ]
    taken_up: set[str] = set()
    for room_id in {each.room_id for each in found}:
        taken_up |= _read_taken_up(txn, room_id)
    return [each for each in found if each.token not in taken_up]


def read_new_events(txn: Any) -> tuple[list[SeenEvent], int]:
    """New memberships and invitations by mail, and the stream position reached.

    The first call returns no events and starts from now.
    """
    known = _value(txn, PLACE)
    txn.execute("SELECT COALESCE(MAX(stream_ordering), 0) FROM events")
    newest = int(txn.fetchone()[0])
    if known is None:
        _set_value(txn, START, str(newest))
        return [], newest
    after = max(int(known) - OVERLAP, int(_value(txn, START) or 0))
    txn.execute(
        "SELECT e.stream_ordering, e.event_id, j.json, j.internal_metadata"
        " FROM events AS e JOIN event_json AS j ON j.event_id = e.event_id"
        " WHERE e.stream_ordering > ? AND e.type IN (?, ?) AND e.rejection_reason IS NULL"
        " ORDER BY e.stream_ordering LIMIT ?",
        (after, MEMBER, THIRD_PARTY_INVITE, MAX_EVENTS + OVERLAP),
    )
    rows = txn.fetchall()
    is_all = len(rows) < MAX_EVENTS + OVERLAP
    events = [
        (place, event_id, json.loads(text))
        for place, event_id, text, metadata in rows
        if not json.loads(metadata).get("soft_failed")
    ]
    seen = [_seen(*found) for found in events if "state_key" in found[2]]
    return [_with_past(txn, one) for one in seen], newest if is_all else rows[-1][0]


def record_position(txn: Any, place: int) -> None:
    """Record that everything up to this stream position is queued."""
    _set_value(txn, PLACE, str(place))
    txn.execute("DELETE FROM guichet_reports WHERE is_sent = 1 AND place <= ?", (place - OVERLAP,))


def _seen(place: int, event_id: str, event: Mapping[str, Any]) -> SeenEvent:
    return SeenEvent(
        event_id=event_id,
        type=event["type"],
        room_id=event["room_id"],
        sender=event["sender"],
        state_key=event["state_key"],
        content=event["content"],
        at_ms=event["origin_server_ts"],
        place=place,
    )


def _with_past(txn: Any, seen: SeenEvent) -> SeenEvent:
    if seen.type != MEMBER:
        return replace(seen, inviter=_inviter(txn, seen))
    return replace(
        seen,
        before=_membership_before(txn, seen),
        by_mail=_is_by_mail(txn, seen),
        invites=_invites(txn, seen),
    )


def _membership_before(txn: Any, seen: SeenEvent) -> str | None:
    txn.execute(
        "SELECT membership FROM room_memberships"
        " WHERE user_id = ? AND room_id = ? AND event_stream_ordering < ?"
        " ORDER BY event_stream_ordering DESC LIMIT 1",
        (seen.state_key, seen.room_id, seen.place),
    )
    row = txn.fetchone()
    return str(row[0]) if row else None


def _is_by_mail(txn: Any, seen: SeenEvent) -> bool:
    """Whether the user's last invitation came from an invitation by mail."""
    txn.execute(
        "SELECT j.json FROM room_memberships AS m JOIN event_json AS j ON j.event_id = m.event_id"
        " WHERE m.user_id = ? AND m.room_id = ? AND m.membership = 'invite'"
        " AND m.event_stream_ordering <= ? ORDER BY m.event_stream_ordering DESC LIMIT 1",
        (seen.state_key, seen.room_id, seen.place),
    )
    row = txn.fetchone()
    return bool(row) and "third_party_invite" in json.loads(row[0])["content"]


def _invites(txn: Any, seen: SeenEvent) -> bool:
    """Whether an invitation by mail from this user, who leaves, stands in the room."""
    if seen.content.get("membership") == "join":
        return False
    txn.execute(
        "SELECT 1 FROM current_state_events AS c JOIN events AS e ON e.event_id = c.event_id"
        " WHERE c.room_id = ? AND c.type = ? AND e.sender = ? LIMIT 1",
        (seen.room_id, THIRD_PARTY_INVITE, seen.state_key),
    )
    return txn.fetchone() is not None


def _inviter(txn: Any, seen: SeenEvent) -> str | None:
    """Who sent the invitation that this event revokes; None if none stood.

    The first event counts: it was made by the inviter's own homeserver.
    """
    txn.execute(
        "SELECT j.json FROM events AS e JOIN state_events AS s ON s.event_id = e.event_id"
        " JOIN event_json AS j ON j.event_id = e.event_id"
        " WHERE e.room_id = ? AND e.type = ? AND s.state_key = ? AND e.stream_ordering < ?"
        " AND e.rejection_reason IS NULL ORDER BY e.stream_ordering",
        (seen.room_id, seen.type, seen.state_key, seen.place),
    )
    before = [json.loads(text) for (text,) in txn.fetchall()]
    if not before or not before[-1]["content"].get("public_key"):
        return None
    return str(before[0]["sender"])


def _is_kept_by(content: Mapping[str, Any], guichet_names: Collection[str]) -> bool:
    """Whether the event names one of these identity servers as the one to ask about its keys."""
    listed = content.get("public_keys")
    keys = [content, *(listed if isinstance(listed, list) else [])]
    urls = [each.get("key_validity_url") for each in keys if isinstance(each, dict)]
    return any(isinstance(url, str) and urlsplit(url).netloc in guichet_names for url in urls)


def _read_taken_up(txn: Any, room_id: str) -> set[str]:
    """The tokens of the invitations by which somebody was ever invited to this room."""
    txn.execute(
        "SELECT j.json FROM room_memberships AS m JOIN event_json AS j ON j.event_id = m.event_id"
        " WHERE m.room_id = ? AND m.membership = 'invite'",
        (room_id,),
    )
    tokens = set()
    for (text,) in txn.fetchall():
        by_mail = json.loads(text)["content"].get("third_party_invite")
        signed = by_mail.get("signed") if isinstance(by_mail, dict) else None
        token = signed.get("token") if isinstance(signed, dict) else None
        if isinstance(token, str):
            tokens.add(token)
    return tokens


def _read_deactivated(txn: Any) -> list[str]:
    txn.execute("SELECT name FROM users WHERE deactivated = 1")
    return [name for (name,) in txn.fetchall()]


def _value(txn: Any, name: str) -> str | None:
    txn.execute("SELECT value FROM guichet_binder WHERE name = ?", (name,))
    row = txn.fetchone()
    return row[0] if row else None


def _set_value(txn: Any, name: str, value: str) -> None:
    txn.execute("DELETE FROM guichet_binder WHERE name = ?", (name,))
    txn.execute("INSERT INTO guichet_binder (name, value) VALUES (?, ?)", (name, value))
