"""What the screens of homeservers, mails, invitations, incidents and the journal share."""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from flask import Response, abort, request
from markupsafe import Markup
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from identity.core.paging import Page
from identity.operators import notices
from identity.problems import EndsSooner
from identity.rule_changes import domain_scopes
from identity.web import wording
from identity.web.rendering import Fault
from identity.web.request_context import services

from .frame import go_to, say, show, typed_reason
from .operator_session import actor, operator

HOURS: Final = (1, 4, 12, 24, 72)
"""How long operators may stop something at once; then they extend it, or it ends by itself."""
MAX_TYPED: Final = 255  # characters of one filter


def show_thing(name: str, /, **values: Any) -> Response:
    """Render a screen whose template writes moments of views (ISO 8601) by `at`."""
    return show(name, at=at, ago=ago, days_old=days_old, hours=HOURS, **values)


def at(iso: str | None) -> str:
    """A moment of a view as people read it; "" for none."""
    return wording.clock(datetime.fromisoformat(iso)) if iso else ""


def ago(iso: str) -> Markup:
    """How long ago a moment of a view was: "12 s ago"."""
    return wording.ago(datetime.fromisoformat(iso))


def days_old(iso: str) -> Markup:
    """The age of a thing that was made at a moment of a view, in days."""
    days = (services.now() - datetime.fromisoformat(iso)) // timedelta(days=1)
    return wording.counted("console.days_old", max(days, 0))


def read_ids(typed: Iterable[str]) -> list[uuid.UUID]:
    """The ids of a form; what is none is left out."""
    found = []
    for each in typed:
        try:
            found.append(uuid.UUID(each))
        except ValueError:
            continue
    return found


def filters(*names: str) -> dict[str, str]:
    """What the form of a list asks for, as typed."""
    return {name: request.args.get(name, "").strip()[:MAX_TYPED] for name in names}


def one_of(typed: str, known: Iterable[str]) -> str | None:
    """The filter if it is one of the known values, else None: everything."""
    return typed if typed in set(known) else None


def following(page: Page[Any], typed: Mapping[str, str]) -> dict[str, str] | None:
    """The arguments of the next page; None on the last one."""
    if page.following is None:
        return None
    return kept(typed) | {"after": page.following}


def kept(typed: Mapping[str, str]) -> dict[str, str]:
    """The filters that are used."""
    return {name: value for name, value in typed.items() if value}


def without_addresses(typed: Mapping[str, str]) -> dict[str, str]:
    """The filters as they may stand in a URL: of an address its domain, in another field nothing."""
    return {
        name: domain_of_filter(value) if name == "domain" else "" if "@" in value else value
        for name, value in typed.items()
    }


def domain_of_filter(typed: str) -> str:
    """What a filter by domain looks for: A-labels, and nothing of what stood before an @."""
    last = typed.rpartition("@")[2].strip()
    return read_domain(last) or last


def read_domain(typed: str) -> str | None:
    """A domain in A-labels, as typed with or without an @; None if it is none."""
    try:
        return parse_domain(typed.strip().rpartition("@")[2])
    except InvalidAddress:
        return None


def until(field: str = "hours") -> datetime:
    """The end that was chosen in the form, at most 72 hours from now. 404 for a crafted form."""
    try:
        hours = int(request.form.get(field, ""))
    except ValueError:
        abort(HTTPStatus.NOT_FOUND)
    if hours not in HOURS:
        abort(HTTPStatus.NOT_FOUND)
    return services.now() + timedelta(hours=hours)


@contextmanager
def staying_on(endpoint: str, **values: Any) -> Iterator[None]:
    """Go back to a screen, and say so there, if a stop would end sooner than it does: lift it."""
    try:
        yield
    except EndsSooner:
        say("console.things.ends_sooner")
        abort(go_to(endpoint, **values))


def tell_operators(session: Session, what: str, until: datetime | None) -> None:
    """Mail all other operators what was stopped; nobody's address or user ID."""
    who = operator().operator_id
    notices.tell_of_stop(
        session, services.now(), actor(typed_reason()), what, ends_at=until, operator_id=who
    )


def fault(field: str, text_id: str, **values: Any) -> Fault:
    """A fault of one field."""
    return Fault(field, wording.text(text_id, **values))


def check_stop_within(domain: str) -> None:
    """404 unless a domain, or with "" the whole federation, lies within the operator's scope."""
    if not domain_scopes.is_within(operator().scope, services.rules.current(), domain):
        abort(HTTPStatus.NOT_FOUND)


def check_freeze_within(domain: str) -> None:
    """404 unless what a freeze of this domain, or with "" of everything, stops lies within."""
    if not domain_scopes.is_whole_within(operator().scope, services.rules.current(), domain):
        abort(HTTPStatus.NOT_FOUND)
