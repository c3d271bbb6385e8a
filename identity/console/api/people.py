"""`/people`: support opens one person's file for half an hour, with a reason; each look is journaled."""

import uuid
from dataclasses import replace
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.people import files, helping, in_short, views
from identity.people.files import OpenFile
from identity.problems import InvalidEmail, NothingHere, NothingToDo
from identity.web import parameters
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards

MAX_EVENT = 200  # characters
MAX_ADDRESS = 500  # characters; what is longer is no address


class Search(frame.Said):
    """The body of POST /people/search."""

    address: Text = Field(max_length=MAX_ADDRESS)


class Event(frame.Said):
    """The body of POST /people/ID/show: an event of the story, by its `what` and `key`."""

    what: Text = Field(max_length=MAX_EVENT)
    key: Text = Field(max_length=MAX_EVENT)


def open_again(session: Session, first: Answer) -> Answer:
    """The file as it is now, where it was opened before; it is not found once it is closed."""
    file_id = uuid.UUID(str(first.location).rpartition("/")[2])
    return replace(first, body=frame.plain(_told(session, _find(session, file_id))))


@frame.writes("/people/search", Deed.OPEN_PERSON, Search, again=open_again)
def open_file(session: Session, given: Search) -> Answer:
    """Open the file of an address, known or not. No address stands in the file's URL."""
    try:
        address = EmailAddress.parse(given.address, smtputf8=True)
    except InvalidAddress as error:
        problem = InvalidEmail(str(error))
        problem.further = {"org.guichet.field": "address", "org.guichet.reason": str(error.reason)}
        raise problem from None
    caller, now, in_force = guards.program(), services.now(), services.rules.current()
    made = files.open_file(
        session,
        services.hashes,
        in_force,
        now,
        guards.actor(given.reason),
        address=address,
        operator_id=caller.operator_id,
        scope=caller.scope,
    )
    if made is None:
        raise NothingHere
    return frame.created(_told(session, _find(session, made.id)), f"/people/{made.id}")


@frame.reads("/people/<uuid:file_id>", Deed.OPEN_PERSON)
def show_file(session: Session, file_id: uuid.UUID) -> dict[str, Any]:
    """The file, for half an hour after it was opened, to programs of the same operator."""
    return _told(session, _find(session, file_id))


@frame.reads("/people/<uuid:file_id>/story", Deed.OPEN_PERSON, "after")
def show_story(session: Session, file_id: uuid.UUID) -> dict[str, Any]:
    """What happened, newest first; others are masked."""
    (after,) = parameters.optional("after")
    opened, hashes, now = _find(session, file_id), services.hashes, services.now()
    page = files.read_story(session, hashes, now, opened.person, after=after)
    return views.describe_story(session, hashes, opened, page)


@frame.writes("/people/<uuid:file_id>/unlock-codes", Deed.HELP_PERSON, frame.Said)
def unlock_codes(session: Session, given: frame.Said, file_id: uuid.UUID) -> Answer:
    """Give the codes in their mails their five tries again."""
    opened, who = _find(session, file_id), guards.actor(given.reason)
    done = helping.unlock_codes(session, services.hashes, services.now(), who, opened.person)
    if not done:
        raise NothingToDo("No code is locked.")
    return frame.done({"codes": done})


@frame.writes("/people/<uuid:file_id>/resend", Deed.HELP_PERSON, frame.Said)
def send_again(session: Session, given: frame.Said, file_id: uuid.UUID) -> Answer:
    """Order the mail that they wait for again, within the limits on mails."""
    opened, who = _find(session, file_id), guards.actor(given.reason)
    sent = helping.send_again(session, services.hashes, services.now(), who, opened.person)
    if sent is None:
        raise NothingToDo("No mail waits to be sent again.")
    return frame.done({"template": sent.template, "leaves_at": sent.leaves_at})


@frame.writes("/people/<uuid:file_id>/free-address", Deed.HELP_PERSON, frame.Said)
def free_address(session: Session, given: frame.Said, file_id: uuid.UUID) -> Answer:
    """Write to them again, though their mail server once did not know the address."""
    opened, who = _find(session, file_id), guards.actor(given.reason)
    if not helping.free_address(session, services.hashes, services.now(), who, opened.person):
        raise NothingToDo("Nothing keeps mails away from them.")
    return frame.done({"freed": True})


@frame.writes("/people/<uuid:file_id>/show", Deed.OPEN_PERSON, Event)
def show_neighbour(session: Session, given: Event, file_id: uuid.UUID) -> Answer:
    """Let the story show who else took part in one event; the journal has it under their name."""
    opened, who = _find(session, file_id), guards.actor(given.reason)
    done = files.show_neighbour(
        *(session, services.hashes, services.now(), who, opened), what=given.what, key=given.key
    )
    if not done:
        raise NothingToDo("There is no such event, or nobody else took part in it.")
    return frame.done({"shown": True})


@frame.writes("/people/<uuid:file_id>/close", Deed.OPEN_PERSON, frame.Said)
def close_file(session: Session, _given: frame.Said, file_id: uuid.UUID) -> Answer:
    """Close it before its half hour is over."""
    files.close(session, services.now(), _find(session, file_id).file)
    return frame.done({"closed": True})


for verb, deed in (("export", Deed.EXPORT_PERSON), ("erase", Deed.ERASE_PERSON)):
    frame.in_console(
        f"/people/<uuid:file_id>/{verb}", f"{verb}_person", deed, "/admin/people/{file_id}"
    )


def _find(session: Session, file_id: uuid.UUID) -> OpenFile:
    caller = guards.program()
    found = files.find(
        session,
        services.rules.current(),
        services.now(),
        file_id,
        operator_id=caller.operator_id,
        scope=caller.scope,
    )
    if found is None:
        raise NothingHere
    return found


def _told(session: Session, opened: OpenFile) -> dict[str, Any]:
    short = in_short.tell(session, services.hashes, services.now(), opened)
    return views.describe_file(opened, short)
