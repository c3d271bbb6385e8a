"""/api/homeserver/v1/lists: a homeserver checks and sends bulk invites for its users."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify, request
from pydantic import Field
from sqlalchemy.orm import Session

from domain_rules.bulk_invites.files import MAX_BYTES, UnreadableFile
from domain_rules.bulk_invites.reading import NoSuchColumn
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
from identity.web.guards import module_in_homeserver, own_user
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

from . import models as bulk_invites, report, service
from .models import BulkInvite
from .service import Owner, RoomSeen

BUSY_SECONDS = 600  # after which one of several bulk invites may be done
WORKING_SECONDS = 5  # after which the worker may be through with a long list
ROWS = 1000  # in one answer
MAX_ID = 255
PLACE = re.compile(r"-1|[0-9]{1,6}")  # -1: before the first row

blueprint = Blueprint("lists_of_homeserver", __name__, url_prefix="/api/homeserver/v1/lists")
blueprint.before_request(module_in_homeserver)


class ForOwner(Body):
    """For which of its users a homeserver acts."""

    sender: Text


class NewBulkInvite(ForOwner):
    """A list of people as it stands in a file.

    Whether the room accepts guests is asked again when a row is sent. `column`: the name or number
    of the column with the addresses; "": the most likely one, if there is one.
    """

    room_id: Annotated[Text, Field(min_length=1, max_length=MAX_ID)]
    people: Annotated[Text, Field(max_length=MAX_BYTES)]
    room_name: Annotated[Text, Field(max_length=MAX_ID)] = ""
    file_name: Annotated[Text, Field(max_length=MAX_ID)] = ""
    takes_guests: bool = True
    column: Annotated[Text, Field(max_length=MAX_ID)] | int = ""


class ChosenColumn(ForOwner):
    """The number of the column that holds the addresses."""

    column: Annotated[int, Field(ge=0, lt=10**6)] | Annotated[Text, Field(pattern=r"^[0-9]{1,6}$")]


@blueprint.get("")
def of_owner() -> Response:
    """The newest bulk invites of one user, without their rows."""
    (sender,) = parameters.required("sender")
    with services.database.reading() as session:
        bulk_invite = bulk_invites.find_by_owner(session, own_user(sender))
        return jsonify(lists=[_summary(session, each) for each in bulk_invite])


@blueprint.post("")
def check() -> Response:
    """Read and check a list: nothing is sent yet."""
    body = read_body(NewBulkInvite)
    sender, rules = own_user(body.sender), services.rules.current()
    with _translated_problems(), services.database.transaction() as session:
        _check_agent(session, sender)
        bound = associations.find_by_user(session, sender)
        bulk_invite = service.check(
            session,
            rules,
            services.now(),
            owner=Owner(sender, bound[0].address if bound else ""),
            room=RoomSeen(body.room_id, body.room_name, body.takes_guests),
            raw=body.people.encode(),
            file_name=body.file_name,
            column=str(body.column),
        )
        return jsonify(_describe(session, services.now(), bulk_invite))


@blueprint.get("/<uuid:list_id>")
def one(list_id: uuid.UUID) -> Response:
    """One bulk invite, its progress, and 1,000 rows at most: those behind `after`."""
    (sender,) = parameters.required("sender")
    after = _place(request.args.get("after"))
    with _translated_problems(), services.database.reading() as session:
        bulk_invite = service.find(session, list_id, own_user(sender))
        return jsonify(_describe(session, services.now(), bulk_invite, after=after))


@blueprint.post("/<uuid:list_id>/column")
def choose(list_id: uuid.UUID) -> Response:
    """Read another column; corrected rows are replaced by those of the list."""
    body = read_body(ChosenColumn)
    sender, rules, now = own_user(body.sender), services.rules.current(), services.now()
    with _translated_problems(), services.database.transaction() as session:
        bulk_invite = service.find(session, list_id, sender)
        service.choose_column(session, rules, now, bulk_invite, int(body.column))
        return jsonify(_describe(session, now, bulk_invite))


@blueprint.post("/<uuid:list_id>/send")
def send(list_id: uuid.UUID) -> Response:
    """Send the rows that can be sent."""
    sender, rules, now = (
        own_user(read_body(ForOwner).sender),
        services.rules.current(),
        services.now(),
    )
    with _translated_problems(), services.database.transaction() as session:
        bulk_invite = service.find(session, list_id, sender)
        _check_agent(session, sender)
        service.confirm(session, rules, now, bulk_invite, quota=services.settings.list_quota)
        return jsonify(_describe(session, now, bulk_invite))


@blueprint.post("/<uuid:list_id>/retry")
def retry(list_id: uuid.UUID) -> Response:
    """Send again the rows that failed and may succeed now."""
    sender, rules, now = (
        own_user(read_body(ForOwner).sender),
        services.rules.current(),
        services.now(),
    )
    with _translated_problems(), services.database.transaction() as session:
        bulk_invite = service.find(session, list_id, sender)
        _check_agent(session, sender)
        service.retry(session, rules, now, bulk_invite, quota=services.settings.list_quota)
        return jsonify(_describe(session, now, bulk_invite))


@blueprint.post("/<uuid:list_id>/stop")
def stop(list_id: uuid.UUID) -> Response:
    """Take back the rows that wait; those that were sent stay."""
    sender, now = own_user(read_body(ForOwner).sender), services.now()
    with _translated_problems(), services.database.transaction() as session:
        bulk_invite = service.find(session, list_id, sender)
        service.stop(session, now, bulk_invite)
        return jsonify(_describe(session, now, bulk_invite))


@contextmanager
def _translated_problems() -> Iterator[None]:
    """Raise the service's problems as problems of this API."""
    try:
        yield
    except UnreadableFile as unread:
        raise WrongParameter(f"people cannot be read as a list: {unread}.") from None
    except NoSuchColumn:
        raise WrongParameter("column is none of those that hold addresses.") from None
    except service.NoSuchBulkInvite:
        raise NoSuchInvitation("There is no such list, or it is somebody else's.") from None
    except service.TooManyBulkInvites:
        raise TooManyRequests(BUSY_SECONDS) from None
    except service.StillChecking:
        raise TooManyRequests(WORKING_SECONDS) from None
    except service.ColumnToChoose as problem:
        raise WrongParameter(problem.__doc__ or "") from None
    except (service.NothingToSend, service.AlreadySent) as problem:
        raise InvitationOver(problem.__doc__ or "") from None


def _place(after: str | None) -> int:
    """Behind which row to begin. Raises WrongParameter."""
    if after is None:
        return -1
    if not PLACE.fullmatch(after):
        raise WrongParameter("after is the next of another answer.")
    return int(after)


def _check_agent(session: Session, sender: str) -> None:
    """Raises NotAllowed for a sender who is not an agent now."""
    if not account_classes.is_agent(session, services.rules.current(), sender):
        raise NotAllowed("Guests do not invite.")


def _summary(session: Session, bulk_invite: BulkInvite) -> dict[str, Any]:
    counted = report.counts_of(session, bulk_invite)
    return {
        "id": str(bulk_invite.id),
        "sender": bulk_invite.owner,
        "room_id": bulk_invite.room_id,
        "file_name": bulk_invite.file_name,
        "state": bulk_invite.state,
        "progress": bulk_invite.progress,
        "created_at": bulk_invite.created_at.isoformat(),
        "column": report.column_of(bulk_invite),
        "elsewhere": bulk_invite.elsewhere,
        "counts": {
            "total": counted.total,
            "waiting": counted.waiting,
            "invited": counted.invited,
            "members": counted.members,
            "failed": counted.failed,
            "unsent": counted.unsent,
        },
    }


def _describe(
    session: Session, now: datetime, bulk_invite: BulkInvite, *, after: int = -1
) -> dict[str, Any]:
    quota = services.settings.list_quota
    counted = report.counts_of(session, bulk_invite)
    ends_at = report.forecast_of(session, now, bulk_invite, counted, quota=quota)
    found = bulk_invites.rows_of(session, bulk_invite.id, after=after, limit=ROWS + 1)
    shown = found[:ROWS]
    rows = [
        {
            "line": each.row.line,
            "typed": each.row.typed,
            "outcome": each.word,
            "detail": each.row.detail,
            "in_text": each.row.aside,
            "why": each.row.why,
        }
        for each in report.lines_of(session, now, shown)
    ]
    more = {
        "columns": report.columns_of(session, bulk_invite),
        "ends_at": ends_at.isoformat() if ends_at else None,
        "rows": rows,
        "next": shown[-1].place if len(found) > ROWS else None,
    }
    return _summary(session, bulk_invite) | more
