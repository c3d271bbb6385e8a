"""`guichet invitation send`: a list of people is checked for somebody, and sent in their name."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from domain_rules.judged_people import Outcome
from domain_rules.people_lists import MOST_BYTES, Unreadable
from identity.gateways.desk import NoModule, Room
from identity.gateways.homeserver import Refused
from identity.gateways.http_client import Away
from identity.storage import associations, homeservers
from identity.storage import people_lists as stored
from identity.storage.people_lists import PeopleList
from identity.use_cases import list_report, people_lists
from identity.use_cases.binding import homeserver_of
from identity.use_cases.people_lists import NothingToSend, Owner, RoomSeen
from identity.wiring import Wiring

from .endings import Exit, Failure
from .opening import opened
from .printing import as_json, print_json, print_table, talk

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("path", metavar="[FILE]", type=FILE, required=False)
@click.option("--file", "named", metavar="FILE", type=FILE, help="The same as FILE.")
@click.option("--room", "room_id", required=True, metavar="ROOM", help="The ID of the room.")
@click.option("--as", "user_id", required=True, metavar="USER", help="Who invites.")
@click.option("--yes", is_flag=True, help="Send what can be sent; without it, only check.")
@as_json
def send(
    path: Path | None,
    *,
    named: Path | None,
    room_id: str,
    user_id: str,
    yes: bool,
    json_wanted: bool,
) -> None:
    """Check a .txt or .csv list of people; with --yes invite them to a room in the name of one who may.

    Every line that is not sent is shown with its reason; the worker sends the others, and the same file
    twice sends nothing twice. Exit code 5: some lines are not sent.

    \b
    JSON: {"id", "state", "total", "sent", "waiting", "failed", "unsent", "ends_at",
           "rows": [{"line", "typed", "outcome", "detail"}]}; without --yes "id" is null.
    """  # noqa: D301  \b is click's: keep these lines
    file = _one_file(path, named)
    with opened() as wired:
        room = _look(wired, room_id, user_id)
        seen = RoomSeen(room_id, room.name or "", room.is_open_to_guests)
        told = _send(wired, file, seen, user_id, yes=yes)
    if json_wanted:
        print_json(told)
    else:
        rows = [
            [str(row[name]) for name in ("line", "typed", "outcome", "detail")]
            for row in told["rows"]
        ]
        print_table(("line", "typed", "outcome", "detail"), rows)
    talk(_said(told, yes=yes))
    if told["unsent"]:
        raise click.exceptions.Exit(Exit.PARTLY)


def _one_file(path: Path | None, named: Path | None) -> Path:
    file = path or named
    if file is None or (path and named):
        raise click.UsageError("Name one file: FILE, or --file FILE.")
    if file.stat().st_size > MOST_BYTES:
        raise Failure(f"{file}: larger than {MOST_BYTES} bytes")
    return file


def _send(wired: Wiring, file: Path, room: RoomSeen, user_id: str, *, yes: bool) -> dict[str, Any]:
    rules, now = wired.rules.current(), wired.now()
    with wired.database.transaction() as session:
        bound = associations.of_user(session, user_id)
        owner = Owner(user_id, bound[0].address if bound else "")
        try:
            made = people_lists.check(
                session,
                rules,
                now,
                owner=owner,
                room=room,
                raw=file.read_bytes(),
                file_name=file.name,
            )
        except Unreadable as unread:
            raise Failure(f"{file}: {unread.fault}; nothing was sent") from None
        if yes:
            with suppress(NothingToSend):
                people_lists.confirm(session, rules, now, made)
        told = _told(wired, session, made)
        if not yes:
            session.rollback()
            told["id"] = None
    return told


def _told(wired: Wiring, session: Session, made: PeopleList) -> dict[str, Any]:
    counted = list_report.counts(session, made)
    rows = stored.rows_of(
        session, made.id, outcomes=[each for each in Outcome if each is not Outcome.READY]
    )
    return {
        "id": made.id,
        "state": made.state,
        "total": counted.total,
        "sent": counted.sent,
        "waiting": counted.waiting,
        "failed": counted.failed,
        "unsent": len(rows),
        "ends_at": list_report.ends_at(
            session, wired.now(), made, guests=counted.for_guests, agents=counted.for_agents
        ),
        "rows": [
            {"line": row.line, "typed": row.typed, "outcome": row.outcome, "detail": row.detail}
            for row in rows
        ],
    }


def _look(wired: Wiring, room_id: str, user_id: str) -> Room:
    with wired.database.reading() as session:
        home = homeservers.find(session, homeserver_of(user_id))
    if home is None:
        raise Failure(f"{user_id}: their homeserver is not registered")
    try:
        room = wired.desk_for(home).look(room_id=room_id, sender=user_id)
    except NoModule:
        raise Failure(f"{home.name} has no module of ours, or its desk is closed") from None
    except (Away, Refused) as error:
        raise Failure(f"{home.name} does not answer: {error}", Exit.UNREACHABLE) from None
    if not room.is_joined or not room.may_invite:
        raise Failure(f"{user_id} may not invite to {room_id}", Exit.REFUSED)
    return room


def _said(told: dict[str, Any], *, yes: bool) -> str:
    ready = told["total"] - told["unsent"]
    if not yes:
        return f"{ready} of {told['total']} can be sent. Nothing was sent: --yes sends them."
    return f"{told['waiting']} of {told['total']} will be sent, by about {told['ends_at']:%Y-%m-%d %H:%M} UTC."
