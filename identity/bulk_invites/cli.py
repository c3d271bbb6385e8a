"""`guichet invitation send`: a list of people is checked for somebody, and sent in their name."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from domain_rules.bulk_invites.reading import MAX_BYTES, NoSuchColumn, Unreadable
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.command.opening import opened
from identity.command.outcomes import Exit, Failure
from identity.command.printing import as_json, print_json, print_table, talk
from identity.core.http_client import Away
from identity.homeservers import models as homeservers
from identity.homeservers.admin_client import Refused
from identity.homeservers.room_actions import NoModule, Room
from identity.services import Services
from identity.threepids import associations

from . import models as stored
from . import report as list_report
from . import service as people_lists
from .models import BulkInvite
from .service import NothingToSend, Owner, RoomSeen


@dataclass(frozen=True)
class Order:
    """Who is to be invited where, and in whose name."""

    file: Path
    raw: bytes
    room: RoomSeen
    user_id: str
    column: str


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("path", metavar="[FILE]", type=FILE, required=False)
@click.option("--file", "named", metavar="FILE", type=FILE, help="The same as FILE.")
@click.option("--room", "room_id", required=True, metavar="ROOM", help="The ID of the room.")
@click.option("--as", "user_id", required=True, metavar="USER", help="Who invites.")
@click.option("--column", default="", metavar="NAME|NUMBER", help="The column of the addresses.")
@click.option("--yes", is_flag=True, help="Send what can be sent, unasked.")
@as_json
def send(
    path: Path | None,
    *,
    named: Path | None,
    room_id: str,
    user_id: str,
    column: str,
    yes: bool,
    json_wanted: bool,
) -> None:
    """Check a .txt or .csv list of people, and invite them to a room in the name of one who may.

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
    with opened() as services:
        room = _look(services, room_id, user_id)
        seen = RoomSeen(room_id, room.name or "", room.is_open_to_guests)
        order = Order(file, file.read_bytes(), seen, user_id, column)
        told = _carry_out(services, order, is_sent=False)
        if not json_wanted:
            _show(told)
        _check_column(told, json_wanted=json_wanted)
        if yes or (_can_ask(told, json_wanted=json_wanted) and click.confirm("Send them?")):
            told = _carry_out(services, order, is_sent=True, shown=told["rows"])
    if json_wanted:
        print_json(told)
    talk(_said(told))
    if told["unsent"]:
        raise click.exceptions.Exit(Exit.PARTLY)


def _one_file(path: Path | None, named: Path | None) -> Path:
    file = path or named
    if file is None or (path and named):
        raise click.UsageError("Name one file: FILE, or --file FILE.")
    if file.stat().st_size > MAX_BYTES:
        raise Failure(f"{file}: larger than {MAX_BYTES} bytes")
    return file


def _carry_out(
    services: Services, order: Order, *, is_sent: bool, shown: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Check, and send unless the rows are no longer what was shown. What is not sent is not kept."""
    rules, now = services.rules.current(), services.now()
    with services.database.transaction() as session:
        made = _check(session, rules, now, order)
        rows = _rows(session, made)
        if is_sent and rows != shown:
            raise Failure("the rules or the room changed meanwhile; nothing was sent, look again")
        if is_sent:
            with suppress(NothingToSend):
                people_lists.confirm(session, rules, now, made)
        told = _told(services, session, made) | {"rows": rows}
        if not is_sent:
            session.rollback()
            told["id"] = None
    return told


def _check(session: Session, rules: RuleSet, now: datetime, order: Order) -> BulkInvite:
    bound = associations.of_user(session, order.user_id)
    try:
        return people_lists.check(
            session,
            rules,
            now,
            owner=Owner(order.user_id, bound[0].address if bound else ""),
            room=order.room,
            raw=order.raw,
            file_name=order.file.name,
            column=order.column,
        )
    except Unreadable as unread:
        raise Failure(f"{order.file}: {unread}; nothing was sent") from None
    except NoSuchColumn:
        raise Failure(f"{order.file}: no addresses in a column {order.column!r}") from None


def _rows(session: Session, made: BulkInvite) -> list[dict[str, Any]]:
    return [
        {
            "line": row.line,
            "typed": row.typed,
            "address": row.address,
            "outcome": row.outcome,
            "detail": row.detail,
        }
        for row in stored.rows_of(session, made.id)
    ]


def _told(services: Services, session: Session, made: BulkInvite) -> dict[str, Any]:
    counted = list_report.counts(session, made)
    return {
        "id": made.id,
        "state": made.state,
        "column": list_report.column(made),
        "columns": list_report.columns(session, made),
        "elsewhere": made.elsewhere,
        "total": counted.total,
        "sent": counted.sent,
        "waiting": counted.waiting,
        "failed": counted.failed,
        "unsent": counted.total - counted.for_guests - counted.for_agents,
        "ends_at": list_report.ends_at(
            session, services.now(), made, guests=counted.for_guests, agents=counted.for_agents
        ),
    }


def _show(told: dict[str, Any]) -> None:
    if told["column"]:
        talk(f"Addresses are read from {_named(told['column'])}.")
    if told["elsewhere"]:
        talk(f"Addresses in other columns, which receive nothing: {told['elsewhere']}.")
    fields = ("line", "typed", "outcome", "detail")
    print_table(fields, [[str(row[name]) for name in fields] for row in told["rows"]])


def _check_column(told: dict[str, Any], *, json_wanted: bool) -> None:
    """Raises Failure where somebody must say first which column is meant."""
    if told["column"]:
        return
    if json_wanted:
        print_json(told)
    columns = [
        f"--column {each['number']}: {_named(each)}, {each['addresses']} addresses:"
        f" {', '.join(each['examples'])}"
        for each in told["columns"]
    ]
    lines = ["several columns may hold the addresses; nothing was sent. Say which one:", *columns]
    raise Failure("\n".join(lines), Exit.REFUSED)


def _named(column: dict[str, Any]) -> str:
    if not column["number"]:
        return "the whole list"
    name = f" ({column['name']})" if column["name"] else ""
    return f"column {column['number']}{name}"


def _can_ask(told: dict[str, Any], *, json_wanted: bool) -> bool:
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return is_terminal and not json_wanted and told["unsent"] < told["total"]


def _look(services: Services, room_id: str, user_id: str) -> Room:
    with services.database.reading() as session:
        home = homeservers.find(session, homeserver_of(user_id))
    if home is None:
        raise Failure(f"{user_id}: their homeserver is not registered")
    try:
        room = services.room_actions_for(home).look(room_id=room_id, sender=user_id)
    except NoModule:
        raise Failure(f"{home.name} has no module of ours, or its desk is closed") from None
    except (Away, Refused) as error:
        raise Failure(f"{home.name} does not answer: {error}", Exit.UNREACHABLE) from None
    if not room.is_joined or not room.may_invite:
        raise Failure(f"{user_id} may not invite to {room_id}", Exit.REFUSED)
    return room


def _said(told: dict[str, Any]) -> str:
    ready = told["total"] - told["unsent"]
    if told["id"] is None:
        return f"{ready} of {told['total']} can be sent. Nothing was sent: --yes sends them."
    return f"{told['waiting']} of {told['total']} will be sent, by about {told['ends_at']:%Y-%m-%d %H:%M} UTC."
