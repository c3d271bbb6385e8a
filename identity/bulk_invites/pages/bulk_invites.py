"""/lists: a list of people is uploaded, checked, corrected and sent; and its outcome."""

import re
import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from domain_rules.bulk_invites.files import MAX_BYTES, FileFault as Unread, UnreadableFile
from domain_rules.bulk_invites.reading import EVERY_ADDRESS
from identity.bulk_invites import models as bulk_invites, report, service
from identity.bulk_invites.models import BulkInvite, BulkInviteState
from identity.bulk_invites.service import (
    AlreadySent,
    ColumnToChoose,
    NoSuchBulkInvite,
    NothingToSend,
    Owner,
    RoomSeen,
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
MANY_GUESTS = 50
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
    return _csv(TEMPLATE, "liste.csv")


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
        bulk_invite = service.find(session, list_id, owner.user_id)
        rows = report.lines_of(
            session, services.now(), bulk_invites.rows_of(session, bulk_invite.id)
        )
    return _csv(wording.csv_of(rows), f"{list_id.hex[:8]}.csv")


@blueprint.post("/lists/<uuid:list_id>")
def list_change(list_id: uuid.UUID) -> Response:
    """Choose the column, correct a row, send what can be sent, or retry what failed."""
    owner = required_agent()
    try:
        with services.database.transaction() as session:
            bulk_invite = service.find(session, list_id, owner.user_id)
            _change(session, bulk_invite)
    except (NothingToSend, TooManyBulkInvites, AlreadySent, ColumnToChoose) as problem:
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
    if "send" in request.form:
        service.confirm(session, rules, now, bulk_invite)
    elif "retry" in request.form:
        service.retry(session, now, bulk_invite)
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
    if isinstance(problem, AlreadySent):  # submitted twice: it is being sent
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
            (bulk_invite, report.counts_of(session, bulk_invite).total)
            for bulk_invite in bulk_invites.find_by_owner(session, owner.user_id)
        ]
    return render_page(
        "lists", faults=faults or [], who=owner, own=own, sessions=find_sessions(owner)
    )


def _page_of(
    session: Session, bulk_invite: BulkInvite, faults: list[Fault] | None = None
) -> Response:
    if bulk_invite.state == BulkInviteState.CHECKED:
        return _check_page(session, bulk_invite, faults or [])
    return _progress_page(session, bulk_invite, faults or [])


def _check_page(session: Session, bulk_invite: BulkInvite, faults: list[Fault]) -> Response:
    counted = report.counts_of(session, bulk_invite)
    doubtful, cautious = wording.rows_to_review(session, bulk_invite)
    now = services.now()
    return render_page(
        "list_check",
        faults=faults,
        bulk_invite=bulk_invite,
        counted=counted,
        ready=counted.for_guests + counted.for_agents,
        many_guests=counted.for_guests > MANY_GUESTS,
        to_send=wording.rows_to_send(session, bulk_invite),
        doubtful=doubtful,
        cautious=cautious,
        columns=bulk_invites.columns_of(session, bulk_invite.id),
        every=EVERY_ADDRESS,
        valid_until=now + store_invite.LIFETIME,
        ends_at=report.estimate_end(
            session, now, bulk_invite, guests=counted.for_guests, agents=counted.for_agents
        )
        + timedelta(minutes=1),
    )


def _progress_page(session: Session, bulk_invite: BulkInvite, faults: list[Fault]) -> Response:
    counted, now = report.counts_of(session, bulk_invite), services.now()
    last_page = max(0, (counted.total - 1) // ROWS)
    number = min(max(0, request.args.get("page", 0, type=int)), last_page)
    rows = bulk_invites.rows_of(session, bulk_invite.id, offset=number * ROWS, limit=ROWS)
    guests, agents = wording.count_waiting(session, bulk_invite)
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
        ends_at=report.estimate_end(session, now, bulk_invite, guests=guests, agents=agents)
        + timedelta(minutes=1),
    )


def _row_id(typed: str) -> uuid.UUID:
    try:
        return uuid.UUID(typed)
    except ValueError:
        raise NoSuchBulkInvite from None


def _csv(content: str, name: str) -> Response:
    response = make_response(
        content.encode("utf-8-sig")
    )  # with the byte order mark that spreadsheets expect
    response.mimetype = "text/csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
