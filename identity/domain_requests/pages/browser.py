"""Who has proved their mailbox in this browser, and which code it waits for."""

import uuid

from flask import Response, abort, session as cookie
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.domain_requests import asking, service
from identity.domain_requests.models import DomainAsking
from identity.domain_requests.service import AtTheDoor
from identity.routing import address_lists
from identity.web import session_cookies
from identity.web.rendering import go_to
from identity.web.request_context import services
from identity.web.request_record import about_address

ASKED = "domain_asked"  # in the signed cookie: the id of this browser's asking
TYPED = "domain_typed"  # the address that stands at the door, between POST and GET
COOKIE = "domain"


def find_asking(database: Session) -> DomainAsking | None:
    """What this browser asked for last, proved or not."""
    try:
        asking_id = uuid.UUID(cookie[ASKED])
    except (KeyError, TypeError, ValueError):
        return None
    return asking.find(database, asking_id)


def signed_in(database: Session) -> DomainAsking | None:
    """The asking that was proved in this browser within the last hours."""
    token = session_cookies.read_token(COOKIE)
    found = asking.find_signed_in(database, services.now(), token) if token else None
    if found is not None:
        about_address(found.address)
    return found


def required(database: Session) -> EmailAddress:
    """The address that was proved in this browser; without one, it begins anew."""
    found = signed_in(database)
    return EmailAddress.stored(found.address) if found else abort(go_to("my_domain"))


def go_on(response: Response, token: str) -> Response:
    """Give the browser the session of its asking."""
    return session_cookies.set_token(response, COOKIE, token)


def at_the_door(database: Session, address: EmailAddress) -> AtTheDoor:
    """Whether the domain of this address can be asked for."""
    return service.look_at_door(
        database,
        services.rules.current(),
        services.now(),
        address,
        shared_mailboxes=address_lists.shared_mailboxes(database),
        why_never=address_lists.why_never_agent(database),
    )
