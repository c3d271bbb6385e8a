"""/lists: a list of people is uploaded, checked, corrected and sent; and its outcome."""

import codecs
import re
import uuid
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from itertools import chain
from typing import Any

from flask import Response, request, stream_with_context
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from domain_rules.bulk_invites.files import MAX_BYTES, FileFault as Unread, UnreadableFile
from domain_rules.bulk_invites.reading import EVERY_ADDRESS
from identity.bulk_invites import models as bulk_invites, quota as quotas, report, service
from identity.bulk_invites.models import BulkInvite, BulkInviteState
from identity.bulk_invites.service import (
    AlreadySent,
    ColumnToChoose,
    NoSuchBulkInvite,
    NothingToSend,
    Owner,
    RoomSeen,
    StillChecking,
    TooManyBulkInvites,
)
from identity.homeservers.room_actions import Room
from identity.invitations import store_invite
from identity.problems import Problem
from identity.web import page_errors as errors
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import language, text

from . import room_checks, wording
from .sessions import Agent, find_sessions, required_agent, signed_in_agent

ROOM_ID = re.compile(r"(![A-Za-z0-9._~%+/=-]{1,200}(?::[A-Za-z0-9.:\[\]-]{1,200})?)")
MAX_FORM = MAX_BYTES + 100_000  # for the fields beside the file
ROWS = 100  # on one page
IN_FILE = 1000  # rows of a file that are read together
MANY_GUESTS = 50
NOT_NOW = (AlreadySent, StillChecking)
UNREAD = {each: f"lists.fault.{each}" for each in Unread}
REFUSED = {
    TooManyBulkInvites: ("content", "lists.fault.too_many"),
    ColumnToChoose: ("column", "lists.fault.column"),
}
TEMPLATE = "adresse;nom\nprenom.nom@exemple.fr;Prénom Nom\n"


@blueprint.url_value_preprocessor
def take_larger_forms(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Allow a larger request for a list than for others; anything larger is refused unread."""
    if endpoint == "pages.lists_new":
        request.max_content_length = request.max_form_memory_size = MAX_FORM


@blueprint.errorhandler(RequestEntityTooLarge)
def too_large(error: HTTPException) -> Response:
    """A page of its own for a list that is too large."""
    if request.endpoint != "pages.lists_new":
        return errors.answer_http(error)
    return render_page("lists_too_big", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


@blueprint.errorhandler(NoSuchBulkInvite)
def no_such_list(_error: NoSuchBulkInvite) -> Response:
    """Not found, also for bulk invites of others."""
    return render_page("not_found", status=HTTPStatus.NOT_FOUND)


@blueprint.get("/lists")
def lists_page() -> Response:
    """The agent's bulk invites, and the form for a new one."""
    return _form(required_agent())


@blueprint.get("/lists/template.csv")
def lists_template() -> Response:
    """A file to start from."""
    return _csv([TEMPLATE], "liste.csv")


@blueprint.post("/lists")
def lists_new() -> Response:
    """Check the room, and read and check the file; nothing is sent.

    Without a session the page says so, and the browser still has the form.
    """
    owner = signed_in_agent()
    if owner is None:
        return render_page("lists_signed_out", status=HTTPStatus.UNAUTHORIZED)
    found = ROOM_ID.search(request.form.get("room", "").replace("%21", "!").replace("%3A", ":"))
    raw, name = _read_upload()
    faults = [] if found else [Fault("room", text("lists.fault.room"))]
    if not raw.strip():
        faults.append(Fault("file", text("lists.fault.empty" if name else "lists.fault.no_list")))
    if faults or found is None:
        return _form(owner, faults)
    room = _check_room(owner, found.group(1))
    if not isinstance(room, Room):
        return _form(owner, [Fault("room", text(room))])
    try:
        with services.database.transaction() as session:
            bulk_invite = service.check(
                session,
                services.rules.current(),
                services.now(),
                owner=Owner(owner.user_id, owner.address, language()),
                room=RoomSeen(found.group(1), room.name or "", room.is_open_to_guests),
                raw=raw,
                file_name=name,
            )
            list_id = bulk_invite.id
    except UnreadableFile as unread:
        return _form(owner, [Fault("file" if name else "text", text(UNREAD[unread.fault]))])
    except TooManyBulkInvites:
        return _form(owner, [Fault("file", text("lists.fault.too_many_today"))])
    return go_to("list_page", list_id=list_id)


@blueprint.get("/lists/<uuid:list_id>")
def list_page(list_id: uuid.UUID) -> Response:
    """The check before it is sent; progress and report after."""
    owner = required_agent()
    with services.database.reading() as session:
        return _page_of(session, service.find(session, list_id, owner.user_id))


@blueprint.get("/lists/<uuid:list_id>/report.csv")
def list_csv(list_id: uuid.UUID) -> Response:
    """Every row with its result and advice, for a spreadsheet."""
    owner = required_agent()
    with services.database.reading() as session:
        service.find(session, list_id, owner.user_id)
    rows = stream_with_context(_csv_of_rows(list_id))
    return _csv(rows, f"{list_id.hex[:8]}.csv")


def _csv_of_rows(list_id: uuid.UUID) -> Iterator[str]:
    """The heads, and the rows a batch at a time, each read by itself: a long list is never whole."""
    yield wording.csv_heads()
    after = -1
    while True:
        with services.database.reading() as session:
            rows = bulk_invites.rows_of(session, list_id, after=after, limit=IN_FILE)
            lines = report.lines_of(session, services.now(), rows)
        if not rows:
            return
        yield wording.csv_of(lines)
        after = rows[-1].place


@blueprint.post("/lists/<uuid:list_id>")
def list_change(list_id: uuid.UUID) -> Response:
    """Choose the column, correct a row, send what can be sent, or retry what failed."""
    owner = required_agent()
    try:
        with services.database.transaction() as session:
            bulk_invite = service.find(session, list_id, owner.user_id)
            _change(session, bulk_invite)
    except (NothingToSend, TooManyBulkInvites, *NOT_NOW, ColumnToChoose) as problem:
        return _refused(list_id, owner, problem)
    return go_to("list_page", list_id=list_id)


def _read_upload() -> tuple[bytes, str]:
    """The file and its name, or else the pasted text."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return request.form.get("text", "").encode(), ""
    with sent.stream as file:
        return file.read(), sent.filename


def _change(session: Session, bulk_invite: BulkInvite) -> None:
    rules, now = services.rules.current(), services.now()
    quota = services.settings.list_quota
    if "send" in request.form:
        service.confirm(session, rules, now, bulk_invite, quota=quota)
    elif "retry" in request.form:
        service.retry(session, rules, now, bulk_invite, quota=quota)
    elif "stop" in request.form:
        service.stop(session, now, bulk_invite)
    elif "column" in request.form:
        service.choose_column(
            session, rules, now, bulk_invite, request.form.get("column", -1, type=int)
        )
    elif "keep" in request.form:
        service.accept_as_typed(session, rules, now, bulk_invite, _row_id(request.form["keep"]))
    elif "correct" in request.form:
        row_id = _row_id(request.form["correct"])
        typed = request.form.get("address", "")
        service.correct_row(session, rules, now, bulk_invite, row_id, text=typed)


def _refused(list_id: uuid.UUID, owner: Agent, problem: Problem) -> Response:
    if isinstance(problem, NOT_NOW):  # submitted twice: the page says how far it is
        return go_to("list_page", list_id=list_id)
    field, why = REFUSED.get(type(problem), ("content", "lists.fault.nothing"))
    faults = [Fault(field, text(why))]
    with services.database.reading() as session:
        return _page_of(session, service.find(session, list_id, owner.user_id), faults)


def _check_room(owner: Agent, room_id: str) -> Room | str:
    """The room, or the text ID of the fault to show."""
    room = room_checks.check_room(owner.user_id, room_id)
    if not isinstance(room, Room):
        return f"lists.fault.{room}"
    if not room.is_joined:
        return "lists.fault.not_joined"
    return room if room.may_invite else "lists.fault.may_not"


def _form(owner: Agent, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        own = [
            (bulk_invite, report.total_of(session, bulk_invite))
            for bulk_invite in bulk_invites.find_by_owner(session, owner.user_id)
        ]
    return render_page(
        "lists", faults=faults or [], who=owner, own=own, sessions=find_sessions(owner)
    )


def _page_of(
    session: Session, bulk_invite: BulkInvite, faults: list[Fault] | None = None
) -> Response:
    if bulk_invite.state == BulkInviteState.CHECKING:
        return render_page("list_checking", faults=faults or [], bulk_invite=bulk_invite)
    if bulk_invite.state == BulkInviteState.CHECKED:
        return _check_page(session, bulk_invite, faults or [])
    return _progress_page(session, bulk_invite, faults or [])


def _check_page(session: Session, bulk_invite: BulkInvite, faults: list[Fault]) -> Response:
    counted = report.counts_of(session, bulk_invite)
    doubtful, cautious = wording.rows_to_review(session, bulk_invite)
    now, quota = services.now(), services.settings.list_quota
    left = quotas.left_today(session, now, bulk_invite.organisation, quota)
    return render_page(
        "list_check",
        faults=faults,
        bulk_invite=bulk_invite,
        counted=counted,
        ready=counted.ready,
        many_guests=counted.for_guests > MANY_GUESTS,
        to_send=wording.rows_to_send(session, bulk_invite),
        doubtful=doubtful,
        cautious=cautious,
        columns=bulk_invites.columns_of(session, bulk_invite.id),
        every=EVERY_ADDRESS,
        valid_until=now + store_invite.LIFETIME,
        quota=quota,
        left=left,
        over=0 if left is None else max(0, counted.ready - left),
        ends_at=report.forecast_of(session, now, bulk_invite, counted, quota=quota),
    )


def _progress_page(session: Session, bulk_invite: BulkInvite, faults: list[Fault]) -> Response:
    counted, now = report.counts_of(session, bulk_invite), services.now()
    last_page = max(0, (counted.total - 1) // ROWS)
    number = min(max(0, request.args.get("page", 0, type=int)), last_page)
    rows = bulk_invites.rows_of(session, bulk_invite.id, after=number * ROWS - 1, limit=ROWS)
    quota = services.settings.list_quota
    until = bulk_invite.delayed_until
    return render_page(
        "list_sent",
        faults=faults,
        bulk_invite=bulk_invite,
        counted=counted,
        rows=wording.describe_rows(report.lines_of(session, now, rows)),
        number=number,
        last_page=last_page,
        first=number * ROWS + 1,
        last=number * ROWS + len(rows),
        quota=quota,
        delayed_until=until if until is not None and until > now else None,
        ends_at=report.forecast_of(session, now, bulk_invite, counted, quota=quota),
    )


def _row_id(typed: str) -> uuid.UUID:
    try:
        return uuid.UUID(typed)
    except ValueError:
        raise NoSuchBulkInvite from None


def _csv(parts: Iterable[str], name: str) -> Response:
    """A file of these parts, with the byte order mark that spreadsheets expect."""
    marked = chain([codecs.BOM_UTF8], (part.encode() for part in parts))
    response = Response(marked, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
