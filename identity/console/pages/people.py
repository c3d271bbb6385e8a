"""/admin/people: opens the file of one person, with a reason, and shows their story."""

import uuid
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from flask import Response, abort, request
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.user_ids import homeserver_in
from identity.accounts import person as accounts
from identity.core.dates import Dates
from identity.operators.roles import Deed
from identity.people import file_models as person_files, files, in_short, views
from identity.people.files import OpenFile
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import clock, language, text

from .frame import form, go_to, say, screen, show, typed_reason
from .operator_session import actor, operator

WHO = "who"  # the field: an address or a user ID
MAX_TYPED = 500  # characters


@screen("/people", Deed.OPEN_PERSON)
def people() -> Response:
    """One field, and the files that this operator may read now."""
    return show_people()


@form("/people/open", Deed.OPEN_PERSON)
def open_person() -> Response:
    """Open a file; its id stands in the URL, the address nowhere but on the page."""
    return open_for("person")


@screen("/people/<uuid:file_id>", Deed.OPEN_PERSON)
def person(file_id: uuid.UUID) -> Response:
    """How it stands with the person, and what happened, newest first."""
    after = request.args.get("after")
    hashes, now = services.hashes, services.now()
    with services.database.reading() as database:
        opened = find_or_404(database, file_id)
        short = None if after else in_short.tell(database, hashes, now, opened)
        page = files.read_story(database, hashes, now, opened.person, after=after)
        story = views.describe_story(database, hashes, opened, page)
        file = views.describe_file(opened, short)
    sentence = None if short is None else sentence_of(file["in_short"])
    return show(
        "person",
        file=file,
        story=story,
        sentence=sentence,
        is_first=not after,
        shown_as=display,
        hour=Dates(services.settings.time_zone, language()).clock,
    )


@form("/people/<uuid:file_id>/close", Deed.OPEN_PERSON)
def close_person(file_id: uuid.UUID) -> Response:
    """Close the file before its half hour is over."""
    with services.database.transaction() as database:
        files.close(database, services.now(), find_or_404(database, file_id).file)
    say("console.people.closed")
    return go_to("people")


@form("/people/<uuid:file_id>/show", Deed.OPEN_PERSON)
def show_neighbour(file_id: uuid.UUID) -> Response:
    """Show who else took part in one event."""
    with services.database.transaction() as database:
        found = files.show_neighbour(
            *(database, services.hashes, services.now(), actor(typed_reason())),
            find_or_404(database, file_id),
            what=request.form.get("what", "")[:MAX_TYPED],
            key=request.form.get("key", "")[:MAX_TYPED],
        )
    if not found:
        abort(HTTPStatus.NOT_FOUND)
    say("console.person.shown")
    return go_to("person", file_id=file_id)


def show_people(*, faults: list[Fault] | None = None) -> Response:
    """The field again, with what is wrong about it."""
    with services.database.reading() as database:
        mine = person_files.find_open(database, services.now(), operator().operator_id)
    return show("people", faults=faults or (), files=mine, shown_as=display)


def open_for(
    endpoint: str, *, first: Callable[[uuid.UUID], object] = lambda _file_id: None
) -> Response:
    """Open the file of whom the form names, and go on to this screen of it.

    `first`: what is done with the file before.
    """
    typed = request.form.get(WHO, "").strip()[:MAX_TYPED]
    who = operator()
    with services.database.transaction() as database:
        address = read_address(database, typed)
        if address is None:
            return show_people(faults=[Fault(WHO, text("console.people.unreadable"))])
        found = files.open_file(
            *(database, services.hashes, services.rules.current(), services.now()),
            actor(typed_reason()),
            address=address,
            operator_id=who.operator_id,
            scope=who.scope,
        )
        if found is None:
            abort(HTTPStatus.NOT_FOUND)
        file_id = found.id
    first(file_id)
    return go_to(endpoint, file_id=file_id)


def read_address(database: Session, typed: str) -> EmailAddress | None:
    """The address that was typed, or the first one of the account that was; None if it is neither.

    Of an account outside of the scope nobody learns whether it is known: 404.
    """
    if typed.startswith("@"):
        known = sorted(accounts.addresses_of(database, typed))
        if not known and not operator().scope.covers(homeserver=homeserver_in(typed)):
            abort(HTTPStatus.NOT_FOUND)
        return EmailAddress.stored(known[0]) if known else None
    try:
        return EmailAddress.parse(typed, smtputf8=True)
    except InvalidAddress:
        return None


def find_or_404(database: Session, file_id: uuid.UUID) -> OpenFile:
    """The file, if this operator may read it now; else there is no such page."""
    who = operator()
    found = files.find(
        *(database, services.rules.current(), services.now(), file_id),
        operator_id=who.operator_id,
        scope=who.scope,
    )
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found


def display(address: str) -> str:
    """A stored address as people write it."""
    return EmailAddress.stored(address).display


def sentence_of(told: dict[str, object]) -> str:
    """The sentence about a situation, with moments in words."""
    values = {name: _in_words(value) for name, value in told.items()}
    return text(f"console.short.{told['situation']}", **values)


def _in_words(value: object) -> object:
    if isinstance(value, datetime):
        return clock(value)
    return f"{in_short.MOST}+" if isinstance(value, int) and value > in_short.MOST else value
