"""`guichet invitation send`: checks a list of people, and sends a bulk invite for a user."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from domain_rules.bulk_invites.files import MAX_BYTES, UnreadableFile
from domain_rules.bulk_invites.reading import NoSuchColumn
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.command.files import FILE
from identity.command.opening import author, author_here, open_services, reason
from identity.command.outcomes import Exit, Failure
from identity.command.printing import (
    as_json,
    is_json_wanted,
    print_json,
    print_message,
    print_table,
)
from identity.core.http_client import Away
from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule, Room
from identity.invitations import inviters
from identity.services import Services
from identity.threepids import associations

from . import models as bulk_invites, operator_changes, report, service
from .models import BulkInvite, BulkInviteState
from .service import NothingToSend, Owner, RoomSeen


@dataclass(frozen=True)
class SendRequest:
    """Who is to be invited where, and in whose name."""

    file: Path
    raw: bytes
    room: RoomSeen
    user_id: str
    column: str
    who: Actor


@click.command()
@click.argument("path", metavar="[FILE]", type=FILE, required=False)
@click.option("--file", "named", metavar="FILE", type=FILE, help="The same as FILE.")
@click.option("--room", "room_id", required=True, metavar="ROOM", help="The ID of the room.")
@click.option("--as", "user_id", required=True, metavar="USER", help="Who invites.")
@click.option("--column", default="", metavar="NAME|NUMBER", help="The column of the addresses.")
@click.option("--yes", is_flag=True, help="Send what can be sent, unasked.")
@author
@reason
@as_json
def send(
    path: Path | None,
    *,
    named: Path | None,
    room_id: str,
    user_id: str,
    column: str,
    yes: bool,
    author: str,
    reason: str,
) -> None:
    """Check a .txt or .csv list of people, and invite them to a room in the name of a member.

    Every row is shown first: its number, its address, and what would happen. It is sent with --yes, or when you say
    so at the terminal. The worker sends; the same file twice sends nothing twice. Where several columns hold
    addresses and none is named for it, --column says which (0: every address of a list without columns). Exit code
    5: some rows are not sent.

    \b
    JSON: {"id", "state", "column": {"number", "name"}, "columns": [{"number", "name", "addresses", "examples"}],
           "elsewhere", "total", "sent", "waiting", "failed", "unsent", "ends_at",
           "rows": [{"line", "typed", "address", "outcome", "detail"}]}
    "elsewhere" counts the addresses in other columns; as long as nothing is sent, "id" is null.
    """  # noqa: D301  \b is click's: keep these lines
    file = _one_file(path, named)
    with open_services() as services:
        room = _check_room(services, room_id, user_id)
        seen = RoomSeen(room_id, room.name or "", room.is_open_to_guests)
        me = author_here(author=author, reason=reason)
        request = SendRequest(file, file.read_bytes(), seen, user_id, column, me)
        described = _carry_out(services, request, is_sent=False)
        if not is_json_wanted():
            _print_rows(described)
        _check_column(described)
        if yes or (_can_ask(described) and click.confirm("Send them?")):
            described = _carry_out(services, request, is_sent=True, shown=described["rows"])
    print_json(described)
    print_message(_closing_line(described))
    if described["unsent"]:
        raise click.exceptions.Exit(Exit.PARTLY)


def _one_file(path: Path | None, named: Path | None) -> Path:
    file = path or named
    if file is None or (path and named):
        raise click.UsageError("Name one file: FILE, or --file FILE.")
    if file.stat().st_size > MAX_BYTES:
        raise Failure(f"{file}: larger than {MAX_BYTES} bytes")
    return file


def _carry_out(
    services: Services,
    request: SendRequest,
    *,
    is_sent: bool,
    shown: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Check the list; with `is_sent` also send it, unless the rows differ from `shown`.

    What is not sent is not stored.
    """
    rules, now = services.rules.current(), services.now()
    with services.database.transaction() as session:
        bulk_invite = _check(session, rules, now, request)
        rows = _rows(session, bulk_invite)
        ready = report.counts_of(session, bulk_invite).ready
        if is_sent and rows != shown:
            raise Failure("the rules or the room changed meanwhile; nothing was sent, look again")
        if is_sent:
            with suppress(NothingToSend):
                operator_changes.send(
                    session,
                    rules,
                    now,
                    request.who,
                    bulk_invite,
                    quota=services.settings.list_quota,
                )
        described = _describe(services, session, bulk_invite, ready) | {"rows": rows}
        if not is_sent:
            session.rollback()
            described["id"] = None
    return described


def _check(session: Session, rules: RuleSet, now: datetime, request: SendRequest) -> BulkInvite:
    bound = associations.find_by_user(session, request.user_id)
    try:
        return service.check(
            session,
            rules,
            now,
            owner=Owner(request.user_id, bound[0].address if bound else ""),
            room=request.room,
            raw=request.raw,
            file_name=request.file.name,
            column=request.column,
            here=True,
        )
    except UnreadableFile as unread:
        raise Failure(f"{request.file}: {unread}; nothing was sent") from None
    except NoSuchColumn:
        raise Failure(f"{request.file}: no addresses in a column {request.column!r}") from None


def _rows(session: Session, bulk_invite: BulkInvite) -> list[dict[str, Any]]:
    fields = ("line", "typed", "address", "outcome", "detail")
    return [
        {field: getattr(row, field) for field in fields}
        for row in bulk_invites.rows_of(session, bulk_invite.id)
    ]


def _describe(
    services: Services, session: Session, bulk_invite: BulkInvite, ready: int
) -> dict[str, Any]:
    """`ready`: how many rows could be sent before any was ordered."""
    counted, quota = report.counts_of(session, bulk_invite), services.settings.list_quota
    is_ordered = bulk_invite.state != BulkInviteState.CHECKED
    return {
        "id": bulk_invite.id,
        "state": bulk_invite.state,
        "column": report.column_of(bulk_invite),
        "columns": report.columns_of(session, bulk_invite),
        "elsewhere": bulk_invite.elsewhere,
        "total": counted.total,
        "sent": counted.sent,
        "waiting": ready if is_ordered else 0,  # the worker may still be ordering them
        "failed": counted.failed,
        "unsent": counted.total - ready,
        "ends_at": report.forecast_of(session, services.now(), bulk_invite, counted, quota=quota),
    }


def _print_rows(described: dict[str, Any]) -> None:
    if described["column"]:
        print_message(f"Addresses are read from {_column_label(described['column'])}.")
    if described["elsewhere"]:
        print_message(
            f"Addresses in other columns, which receive nothing: {described['elsewhere']}."
        )
    fields = ("line", "typed", "outcome", "detail")
    print_table(fields, [[str(row[name]) for name in fields] for row in described["rows"]])


def _check_column(described: dict[str, Any]) -> None:
    """Raises Failure if somebody must first say which column is meant."""
    if described["column"]:
        return
    print_json(described)
    columns = [
        f"--column {each['number']}: {_column_label(each)}, {each['addresses']} addresses:"
        f" {', '.join(each['examples'])}"
        for each in described["columns"]
    ]
    lines = ["several columns may hold the addresses; nothing was sent. Say which one:", *columns]
    raise Failure("\n".join(lines), Exit.REFUSED)


def _column_label(column: dict[str, Any]) -> str:
    if not column["number"]:
        return "the whole list"
    name = f" ({column['name']})" if column["name"] else ""
    return f"column {column['number']}{name}"


def _can_ask(described: dict[str, Any]) -> bool:
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return is_terminal and not is_json_wanted() and described["unsent"] < described["total"]


def _check_room(services: Services, room_id: str, user_id: str) -> Room:
    with services.database.reading() as session:
        homeserver = homeservers.find(session, homeserver_of(user_id))
        inviters.check_sender(session, services.now(), user_id)
    if homeserver is None:
        raise Failure(f"{user_id}: their homeserver is not registered")
    try:
        room = services.room_actions_for(homeserver).look(room_id=room_id, sender=user_id)
    except NoModule:
        raise Failure(
            f"{homeserver.name} has no module of ours, or its part `desk` is switched off"
        ) from None
    except (Away, Refused) as error:
        raise Failure(f"{homeserver.name} does not answer: {error}", Exit.UNREACHABLE) from None
    if not room.is_joined or not room.may_invite:
        raise Failure(f"{user_id} may not invite to {room_id}", Exit.REFUSED)
    return room


def _closing_line(described: dict[str, Any]) -> str:
    ready = described["total"] - described["unsent"]
    if described["id"] is None:
        return f"{ready} of {described['total']} can be sent. Nothing was sent: --yes sends them."
    sent = f"{described['waiting']} of {described['total']} will be sent"
    if described["ends_at"] is None:
        return f"{sent}; how fast is not known, since no list was sent lately."
    return f"{sent}, by about {described['ends_at']:%Y-%m-%d %H:%M} UTC."
