"""/lists: a list of people is handed in, checked, put right, and sent; and what became of it."""

import re
import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from flask import Response, make_response, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from domain_rules.bulk_invites.reading import EVERY, MAX_BYTES, Unreadable
from domain_rules.bulk_invites.reading import Fault as Unread
from identity.bulk_invites import models as stored
from identity.bulk_invites import report as list_report
from identity.bulk_invites import service as people_lists
from identity.bulk_invites.models import BulkInvite, BulkInviteState
from identity.bulk_invites.service import (
    AlreadySent,
    ColumnToChoose,
    NoSuchBulkInvite,
    NothingToSend,
    Owner,
    RoomSeen,
    TooManyLists,
)
from identity.homeservers.room_actions import Room
from identity.invitations import store_invite
from identity.problems import Problem
from identity.web import page_errors as errors
from identity.web.languages import language
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import text

from . import room_checks
from . import wording as list_words
from .sessions import Agent, agent, signed_in_on

ROOM_ID = re.compile(r"(![A-Za-z0-9._~%+/=-]{1,200}(?::[A-Za-z0-9.:\[\]-]{1,200})?)")
MAX_FORM = MAX_BYTES + 100_000  # the fields around the file
ROWS = 100  # on one page
MANY_GUESTS = 50
UNREAD = {each: f"lists.fault.{each}" for each in Unread}
REFUSED = {
    TooManyLists: ("content", "lists.fault.too_many"),
    ColumnToChoose: ("column", "lists.fault.column"),
}
TEMPLATE = "adresse;nom\nprenom.nom@exemple.fr;Prénom Nom\n"


@blueprint.url_value_preprocessor
def take_larger_forms(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """A list may be a little longer than other requests; what is longer still is refused unread."""
    if endpoint == "pages.lists_new":
        request.max_content_length = request.max_form_memory_size = MAX_FORM


@blueprint.errorhandler(RequestEntityTooLarge)
def too_large(error: HTTPException) -> Response:
    """Named, where it is a list."""
    if request.endpoint != "pages.lists_new":
        return errors.answer_http(error)
    return page("lists_too_big", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


@blueprint.errorhandler(NoSuchBulkInvite)
def no_such_list(_error: NoSuchBulkInvite) -> Response:
    """Also for what is somebody else's."""
    return page("not_found", status=HTTPStatus.NOT_FOUND)


@blueprint.get("/lists")
def lists_page() -> Response:
    """One's lists, and the form for another."""
    who = agent()
    return _form(who) if who else go_to("lists_sign_in")


@blueprint.get("/lists/template.csv")
def lists_template() -> Response:
    """A file to begin with."""
    return _csv(TEMPLATE, "liste.csv")


@blueprint.post("/lists")
def lists_new() -> Response:
    """Look at the room, read and judge the file; nothing is sent. Signed out meanwhile, the list is kept."""
    who = agent()
    if who is None:
        return page("lists_signed_out", status=HTTPStatus.UNAUTHORIZED)
    found = ROOM_ID.search(request.form.get("room", "").replace("%21", "!").replace("%3A", ":"))
    raw, name = _handed_in()
    faults = [] if found else [Fault("room", text("lists.fault.room"))]
    if not raw.strip():
        faults.append(Fault("file", text("lists.fault.empty" if name else "lists.fault.no_list")))
    if faults or found is None:
        return _form(who, faults)
    room = _look(who, found.group(1))
    if not isinstance(room, Room):
        return _form(who, [Fault("room", text(room))])
    try:
        with services.database.transaction() as session:
            made = people_lists.check(
                session,
                services.rules.current(),
                services.now(),
                owner=Owner(who.user_id, who.address, language()),
                room=RoomSeen(found.group(1), room.name or "", room.is_open_to_guests),
                raw=raw,
                file_name=name,
            )
            list_id = made.id
    except Unreadable as unread:
        return _form(who, [Fault("file" if name else "text", text(UNREAD[unread.fault]))])
    except TooManyLists:
        return _form(who, [Fault("file", text("lists.fault.too_many_today"))])
    return go_to("list_page", list_id=list_id)


@blueprint.get("/lists/<uuid:list_id>")
def list_page(list_id: uuid.UUID) -> Response:
    """The check before it is sent, progress and report after."""
    who = agent()
    if who is None:
        return go_to("lists_sign_in")
    with services.database.reading() as session:
        made = people_lists.find(session, list_id, who.user_id)
        return _checked(session, made) if _is_checked(made) else _sent(session, made)


@blueprint.get("/lists/<uuid:list_id>/report.csv")
def list_csv(list_id: uuid.UUID) -> Response:
    """Every row with its result and what to do, for a spreadsheet."""
    who = agent()
    if who is None:
        return go_to("lists_sign_in")
    with services.database.reading() as session:
        made = people_lists.find(session, list_id, who.user_id)
        rows = list_report.lines(session, services.now(), stored.rows_of(session, made.id))
    return _csv(list_words.csv_of(rows), f"{list_id.hex[:8]}.csv")


@blueprint.post("/lists/<uuid:list_id>")
def list_change(list_id: uuid.UUID) -> Response:
    """Choose the column, put one row right, send what can be sent, or send again what failed."""
    who = agent()
    if who is None:
        return go_to("lists_sign_in")
    try:
        with services.database.transaction() as session:
            made = people_lists.find(session, list_id, who.user_id)
            _change(session, made)
    except (NothingToSend, TooManyLists, AlreadySent, ColumnToChoose) as problem:
        return _refused(list_id, who, problem)
    return go_to("list_page", list_id=list_id)


def _handed_in() -> tuple[bytes, str]:
    """The file and its name, else what was pasted."""
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        return request.form.get("text", "").encode(), ""
    with sent.stream as file:
        return file.read(), sent.filename


def _change(session: Session, made: BulkInvite) -> None:
    rules, now = services.rules.current(), services.now()
    if "send" in request.form:
        people_lists.confirm(session, rules, now, made)
    elif "retry" in request.form:
        people_lists.retry(session, now, made)
    elif "column" in request.form:
        people_lists.choose(session, rules, now, made, request.form.get("column", -1, type=int))
    elif "keep" in request.form:
        people_lists.store(session, rules, now, made, _row_id(request.form["keep"]))
    elif "correct" in request.form:
        row_id = _row_id(request.form["correct"])
        typed = request.form.get("address", "")
        people_lists.correct(session, rules, now, made, row_id, text=typed)


def _refused(list_id: uuid.UUID, who: Agent, problem: Problem) -> Response:
    if isinstance(problem, AlreadySent):  # pressed twice: it is on its way
        return go_to("list_page", list_id=list_id)
    field, why = REFUSED.get(type(problem), ("content", "lists.fault.nothing"))
    faults = [Fault(field, text(why))]
    with services.database.reading() as session:
        made = people_lists.find(session, list_id, who.user_id)
        if _is_checked(made):
            return _checked(session, made, faults)
        return _sent(session, made, faults)


def _look(who: Agent, room_id: str) -> Room | str:
    """The room, or the id of what to say instead."""
    room = room_checks.check_room(who.user_id, room_id)
    if not isinstance(room, Room):
        return f"lists.fault.{room}"
    if not room.is_joined:
        return "lists.fault.not_joined"
    return room if room.may_invite else "lists.fault.may_not"


def _form(who: Agent, faults: list[Fault] | None = None) -> Response:
    with services.database.reading() as session:
        own = [
            (made, list_report.counts(session, made).total)
            for made in stored.of_owner(session, who.user_id)
        ]
    return page("lists", faults=faults or [], who=who, own=own, sessions=signed_in_on(who))


def _checked(session: Session, made: BulkInvite, faults: list[Fault] | None = None) -> Response:
    counted = list_report.counts(session, made)
    doubtful, cautious = list_words.to_review(session, made)
    now = services.now()
    return page(
        "list_check",
        faults=faults or [],
        made=made,
        counted=counted,
        ready=counted.for_guests + counted.for_agents,
        many_guests=counted.for_guests > MANY_GUESTS,
        to_send=list_words.to_send(session, made),
        doubtful=doubtful,
        cautious=cautious,
        columns=stored.columns_of(session, made.id),
        every=EVERY,
        valid_until=now + store_invite.LIFETIME,
        ends_at=list_report.ends_at(
            session, now, made, guests=counted.for_guests, agents=counted.for_agents
        )
        + timedelta(minutes=1),
    )


def _sent(session: Session, made: BulkInvite, faults: list[Fault] | None = None) -> Response:
    counted, now = list_report.counts(session, made), services.now()
    last_page = max(0, (counted.total - 1) // ROWS)
    number = min(max(0, request.args.get("page", 0, type=int)), last_page)
    rows = stored.rows_of(session, made.id, offset=number * ROWS, limit=ROWS)
    guests, agents = list_words.waiting(session, made)
    return page(
        "list_sent",
        faults=faults or [],
        made=made,
        counted=counted,
        rows=list_words.written(list_report.lines(session, now, rows)),
        number=number,
        last_page=last_page,
        first=number * ROWS + 1,
        last=number * ROWS + len(rows),
        ends_at=list_report.ends_at(session, now, made, guests=guests, agents=agents)
        + timedelta(minutes=1),
    )


def _is_checked(made: BulkInvite) -> bool:
    return made.state == BulkInviteState.CHECKED


def _row_id(typed: str) -> uuid.UUID:
    try:
        return uuid.UUID(typed)
    except ValueError:
        raise NoSuchBulkInvite from None


def _csv(content: str, name: str) -> Response:
    response = make_response(content.encode("utf-8-sig"))  # with the mark spreadsheets look for
    response.mimetype = "text/csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
