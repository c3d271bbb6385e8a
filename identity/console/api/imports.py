"""`/imports`: a file of rules becomes the lines of a change; the worker reads it."""

import uuid
from typing import Any, Final

from flask import request
from pydantic import Field
from sqlalchemy.orm import Session

from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import NothingHere
from identity.rule_changes import changes, imports
from identity.rule_changes.files import OfLists
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards

MAX_BODY: Final = 2 * imports.MAX_BYTES  # JSON writes some letters with two


class NewImport(frame.Said):
    """The body of POST /imports. What a plain list does not say itself stands beside it."""

    name: Text = Field(min_length=1, max_length=imports.MAX_NAME)
    content: Text = Field(min_length=1, max_length=imports.MAX_BYTES)
    title: Text = Field(default="", max_length=changes.MAX_TITLE)
    exactly: bool = False
    homeserver: Text = Field(default="", max_length=255)
    organisation: Text = Field(default="", max_length=200)
    suffix: bool = False
    guest: bool = False


@frame.blueprint.url_value_preprocessor
def take_larger_bodies(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Allow a larger body for a file than for other calls; anything larger is refused unread."""
    if endpoint == f"{frame.blueprint.name}.{send_file.__name__}":
        request.max_content_length = MAX_BODY


@frame.writes("/imports", Deed.DRAFT, NewImport)
def send_file(session: Session, given: NewImport) -> Answer:
    """Let the worker read a file and make a change of its lines."""
    caller = guards.program()
    sent = imports.send(
        session,
        services.now(),
        guards.actor(given.reason),
        name=given.name,
        content=given.content,
        title=given.title or f"Import of {given.name}",
        operator_id=caller.operator_id,
        of_lists=OfLists(
            homeserver=given.homeserver,
            organisation=given.organisation,
            suffix=given.suffix,
            guest=given.guest,
        ),
        exactly=given.exactly,
        scope=caller.scope,
    )
    return frame.under_way(imports.describe(session, sent), f"/imports/{sent.id}")


@frame.reads("/imports/<uuid:import_id>", Deed.DRAFT)
def show_import(session: Session, import_id: uuid.UUID) -> dict[str, Any]:
    """What became of a file: its change, and the lines that were refused."""
    found = imports.find(session, import_id, guards.program().operator_id)
    if found is None:
        raise NothingHere
    return imports.describe(session, found)
