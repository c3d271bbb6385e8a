"""/api/homeserver/v1/lists: a homeserver hands in a list of people for one of its users, and has it sent."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import Field
from sqlalchemy.orm import Session

from domain_rules.bulk_invites.reading import MAX_BYTES, NoSuchColumn, Unreadable
from identity.accounts import classes as account_classes
from identity.problems import (
    InvitationOver,
    NoSuchInvitation,
    NotAllowed,
    TooManyRequests,
    WrongParameter,
)
from identity.threepids import associations
from identity.web import parameters
from identity.web.api_guards import module_in_homeserver, own_user
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

from . import models as stored
from . import report as list_report
from . import service as people_lists
from .models import BulkInvite
from .service import Owner, RoomSeen

BUSY_SECONDS = 600  # after which one of several lists may well be through
MAX_ID = 255

blueprint = Blueprint("lists_of_homeserver", __name__, url_prefix="/api/homeserver/v1/lists")
blueprint.before_request(module_in_homeserver)


class ForOwner(Body):
    """For which of its users a homeserver acts."""

    sender: Text


class NewList(ForOwner):
    """A list as it stands in a file. Whether the room takes guests is asked again when a row is sent.

    `column`: the name or number of the one that holds the addresses; "": the likeliest, if there is one.
    """

    room_id: Annotated[Text, Field(min_length=1, max_length=MAX_ID)]
    people: Annotated[Text, Field(max_length=MAX_BYTES)]
    room_name: Annotated[Text, Field(max_length=MAX_ID)] = ""
    file_name: Annotated[Text, Field(max_length=MAX_ID)] = ""
    takes_guests: bool = True
    column: Annotated[Text, Field(max_length=MAX_ID)] | int = ""


class Chosen(ForOwner):
    """Which of the columns of a list is meant, by number."""

    column: Annotated[int, Field(ge=0)] | Annotated[Text, Field(pattern=r"^[0-9]{1,6}$")]


@blueprint.get("")
def of_owner() -> Response:
    """The newest lists of one user, without their rows."""
    (sender,) = parameters.required("sender")
    with services.database.reading() as session:
        made = stored.of_owner(session, own_user(sender))
        return jsonify(lists=[_summary(session, each) for each in made])


@blueprint.post("")
def check() -> Response:
    """Read and judge a list: nothing is sent yet."""
    asked = read_body(NewList)
    sender, rules = own_user(asked.sender), services.rules.current()
    with _told_plainly(), services.database.transaction() as session:
        _check_agent(session, sender)
        bound = associations.of_user(session, sender)
        made = people_lists.check(
            session,
            rules,
            services.now(),
            owner=Owner(sender, bound[0].address if bound else ""),
            room=RoomSeen(asked.room_id, asked.room_name, asked.takes_guests),
            raw=asked.people.encode(),
            file_name=asked.file_name,
            column=str(asked.column),
        )
        return jsonify(_whole(session, services.now(), made))


@blueprint.get("/<uuid:list_id>")
def one(list_id: uuid.UUID) -> Response:
    """One list with every row, and how far it has come."""
    (sender,) = parameters.required("sender")
    with _told_plainly(), services.database.reading() as session:
        made = people_lists.find(session, list_id, own_user(sender))
        return jsonify(_whole(session, services.now(), made))


@blueprint.post("/<uuid:list_id>/column")
def choose(list_id: uuid.UUID) -> Response:
    """Read another column: rows that were put right are as they stand in the list again."""
    asked = read_body(Chosen)
    sender, rules, now = own_user(asked.sender), services.rules.current(), services.now()
    with _told_plainly(), services.database.transaction() as session:
        made = people_lists.find(session, list_id, sender)
        people_lists.choose(session, rules, now, made, int(asked.column))
        return jsonify(_whole(session, now, made))


@blueprint.post("/<uuid:list_id>/send")
def send(list_id: uuid.UUID) -> Response:
    """Send the rows that can be sent."""
    sender, rules, now = (
        own_user(read_body(ForOwner).sender),
        services.rules.current(),
        services.now(),
    )
    with _told_plainly(), services.database.transaction() as session:
        made = people_lists.find(session, list_id, sender)
        _check_agent(session, sender)
        people_lists.confirm(session, rules, now, made)
        return jsonify(_whole(session, now, made))


@blueprint.post("/<uuid:list_id>/retry")
def retry(list_id: uuid.UUID) -> Response:
    """Send again the rows that failed, and may succeed now."""
    sender, now = own_user(read_body(ForOwner).sender), services.now()
    with _told_plainly(), services.database.transaction() as session:
        made = people_lists.find(session, list_id, sender)
        _check_agent(session, sender)
        people_lists.retry(session, now, made)
        return jsonify(_whole(session, now, made))


@contextmanager
def _told_plainly() -> Iterator[None]:
    """What the use case says no to, in the words of this API."""
    try:
        yield
    except Unreadable as unread:
        raise WrongParameter(f"people cannot be read as a list: {unread}.") from None
    except NoSuchColumn:
        raise WrongParameter("column is none of those that hold addresses.") from None
    except people_lists.NoSuchBulkInvite:
        raise NoSuchInvitation("There is no such list, or it is somebody else's.") from None
    except people_lists.TooManyLists:
        raise TooManyRequests(BUSY_SECONDS) from None
    except people_lists.ColumnToChoose as unsaid:
        raise WrongParameter(unsaid.__doc__ or "") from None
    except (people_lists.NothingToSend, people_lists.AlreadySent) as over:
        raise InvitationOver(over.__doc__ or "") from None


def _check_agent(session: Session, sender: str) -> None:
    """Asked anew each time. Raises NotAllowed."""
    if not account_classes.is_agent(session, services.rules.current(), sender):
        raise NotAllowed("Guests do not invite.")


def _summary(session: Session, made: BulkInvite) -> dict[str, Any]:
    counted = list_report.counts(session, made)
    return {
        "id": str(made.id),
        "sender": made.owner,
        "room_id": made.room_id,
        "file_name": made.file_name,
        "state": made.state,
        "created_at": made.created_at.isoformat(),
        "column": list_report.column(made),
        "elsewhere": made.elsewhere,
        "counts": {
            "total": counted.total,
            "waiting": counted.waiting,
            "invited": counted.invited,
            "members": counted.members,
            "failed": counted.failed,
            "unsent": counted.unsent,
        },
    }


def _whole(session: Session, now: datetime, made: BulkInvite) -> dict[str, Any]:
    counted = list_report.counts(session, made)
    ends_at = list_report.ends_at(
        session, now, made, guests=counted.for_guests, agents=counted.for_agents
    )
    lines = list_report.lines(session, now, stored.rows_of(session, made.id))
    rows = [
        {
            "line": each.row.line,
            "typed": each.row.typed,
            "outcome": each.word,
            "detail": each.row.detail,
            "in_text": each.row.aside,
            "why": each.row.why,
        }
        for each in lines
    ]
    columns = list_report.columns(session, made)
    more = {"columns": columns, "ends_at": ends_at.isoformat(), "rows": rows}
    return _summary(session, made) | more
