"""The blueprint of `/api/admin/v1`: how routes are declared, and how they read and answer.

A reading route gets a session that reads, and a writing one a transaction that it shares with the
answer kept for its Idempotency-Key: both are committed, or neither is.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence, Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, TypeVar

from flask import Blueprint, Response, jsonify, request
from pydantic import ConfigDict, Field

from identity.core import paging
from identity.core.paging import Page
from identity.operators import kept_answers
from identity.operators.kept_answers import LONGEST_KEY, Answer, Call
from identity.operators.reasons import is_reason
from identity.operators.roles import PERMISSIONS, Deed
from identity.problems import ReasonNeeded, VersionNeeded, WrongParameter
from identity.web import json_body, parameters
from identity.web.json_body import Body, BodyModel, Text
from identity.web.request_context import services

from . import guards
from .guards import ROUTES, Route, program

PREFIX: Final = "/api/admin/v1"
PAGED: Final = ("limit", "after")
"""The parameters of a list, see `asked_page`."""
KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
MAX_REASON: Final = 500  # characters
MAX_VERSION: Final = 9  # digits

blueprint = Blueprint("admin_api", __name__, url_prefix=PREFIX)
blueprint.before_request(guards.guard)

View = Callable[..., Any]
Row = TypeVar("Row")


class Said(Body):
    """The body of a writing call: at least why it is made, where that is asked for.

    Unknown fields are refused: a call with a typing error would do something else.
    """

    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(default="", max_length=MAX_REASON)


def reads(rule: str, deed: Deed, *query: str) -> Callable[[View], View]:
    """Register a view that looks: `view(session, **path)` returns an object, or what `done` makes.

    `query`: the parameters that it takes; any other is refused.
    """

    def register(view: View) -> View:
        @wraps(view)
        def answer(**path: Any) -> Response:
            with services.database.reading() as session:
                found = view(session, **path)
            return respond(found if isinstance(found, Answer) else Answer(plain(found)))

        _add(rule, view.__name__, "GET", Route(deed, query=frozenset(query)), answer)
        return view

    return register


def looks_up(rule: str, deed: Deed, body: type[BodyModel]) -> Callable[[View], View]:
    """Register a view that only looks, by a body: nobody's address stands in a URL."""

    def register(view: View) -> View:
        @wraps(view)
        def answer(**path: Any) -> Response:
            given = json_body.read_body(body)
            with services.database.reading() as session:
                found = view(session, given, **path)
            return respond(Answer(plain(found)))

        _add(rule, view.__name__, "POST", Route(deed), answer)
        return view

    return register


def writes(
    rule: str,
    deed: Deed,
    body: type[BodyModel],
    *,
    method: str = "POST",
    again: View | None = None,
) -> Callable[[View], View]:
    """Register a view that changes something: `view(session, body, **path)` returns an Answer.

    `again(session, first, **path)`: makes the answer to a call that is sent again, from the first one
    without its body: for answers that name people, which are kept nowhere.
    """

    def register(view: View) -> View:
        @wraps(view)
        def answer(**path: Any) -> Response:
            given = _read(body, deed)
            call = _call()
            with services.database.transaction() as session:
                if call is not None:
                    kept = kept_answers.begin(session, services.vault, services.now(), call)
                    if kept is not None:
                        told = again(session, kept, **path) if again else kept
                        return respond(told, replayed=True)
                made: Answer = view(session, given, **path)
                if call is not None:
                    bare = replace(made, body={}) if again else made
                    kept_answers.keep(session, services.vault, call, bare)
            return respond(made)

        _add(rule, view.__name__, method, Route(deed), answer)
        return view

    return register


def in_console(rule: str, name: str, deed: Deed, page: str, *, method: str = "POST") -> None:
    """Register what a person does in the console, with their second factor: here it is refused.

    `page`: where, with the names of the path in braces.
    """

    def refuse(**_path: Any) -> Response:
        raise LookupError(f"the guard let a token through to {name}")

    _add(rule, name, method, Route(deed, page=page), refuse)


def plain(value: Any) -> Any:
    """What is told, as JSON has it: moments in ISO 8601 to the second, ids and words as text."""
    match value:
        case datetime():
            return value.isoformat(timespec="seconds")
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case str():
            return str(value)
        case Sequence() | AbstractSet():
            return [plain(each) for each in value]
        case uuid.UUID():
            return str(value)
        case _:
            return value


def respond(answer: Answer, *, replayed: bool = False) -> Response:
    """The response with this answer."""
    response = jsonify(answer.body)
    response.status_code = answer.status
    if answer.location is not None:
        response.headers["Location"] = answer.location
    if answer.version is not None:
        response.set_etag(str(answer.version))
    if replayed:
        response.headers[REPLAYED] = "true"
    return response


def done(body: Mapping[str, Any], *, version: int | None = None) -> Answer:
    """200: this is how it is now."""
    return Answer(plain(body), version=version)


def created(body: Mapping[str, Any], path: str, *, version: int | None = None) -> Answer:
    """201: something was made, and this is where it is, below the prefix."""
    return Answer(plain(body), HTTPStatus.CREATED, PREFIX + path, version)


def under_way(body: Mapping[str, Any], path: str, *, version: int | None = None) -> Answer:
    """202: the worker does it, and this is where to see how far it has come."""
    return Answer(plain(body), HTTPStatus.ACCEPTED, PREFIX + path, version)


def asked_page() -> dict[str, Any]:
    """`limit` and `after` of a list, for `paging.find_page`. Raises WrongParameter."""
    limit, after = parameters.optional(*PAGED)
    return {"after": after, "limit": read_limit(limit)}


def read_limit(text: str | None) -> int:
    """How many rows a page is to have. Raises WrongParameter."""
    if text is None:
        return paging.LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_VERSION):
        raise wrong("limit", f"The limit is a number from 1 to {paging.LONGEST}.")
    if not 1 <= int(text) <= paging.LONGEST:
        raise wrong("limit", f"The limit is a number from 1 to {paging.LONGEST}.")
    return int(text)


def listed(page: Page[Row], told: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """A page of a list: its items, and `after` of the next page, or null."""
    return {"items": [told(row) for row in page.items], "next": page.following}


def expected_version() -> int:
    """The version in If-Match. Raises VersionNeeded, WrongParameter."""
    given = request.headers.get("If-Match")
    if given is None:
        raise VersionNeeded
    digits = given.strip().removeprefix('"').removesuffix('"')
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MAX_VERSION):
        raise wrong("If-Match", "If-Match takes the ETag of the draft, and nothing else.")
    return int(digits)


def wrong(field: str, message: str) -> WrongParameter:
    """The problem with one field or parameter."""
    return WrongParameter(message, field=field)


def _add(rule: str, name: str, method: str, route: Route, view: View) -> None:
    ROUTES[f"{blueprint.name}.{name}", method] = route
    blueprint.add_url_rule(rule, name, view, methods=[method])


def _read(body: type[BodyModel], deed: Deed) -> BodyModel:
    """The body; without any content it is an empty object. Raises ReasonNeeded, and as read_body."""
    given = json_body.read_object() if request.get_data() else {}
    read = json_body.read_as(body, given)
    if PERMISSIONS[deed].reason and not is_reason(getattr(read, "reason", "")):
        raise ReasonNeeded
    return read


def _call() -> Call | None:
    """This call as one that may be sent again, if it has a key. Raises WrongParameter."""
    key = request.headers.get(KEY)
    if key is None:
        return None
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise wrong(KEY, f"An {KEY} has 1 to {LONGEST_KEY} printable characters of ASCII.")
    line = f"{request.method} {request.path}?{request.headers.get('If-Match', '')}\n"
    return Call(program().token_id, key, line.encode() + request.get_data())
