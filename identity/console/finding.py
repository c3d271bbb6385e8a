"""What somebody typed into the one search box: the first shape that fits says what is meant.

Nothing is found by a part in the middle, so that each look is one by an index.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.user_ids import homeserver_in
from identity.core.journal import JournalEntry
from identity.homeservers.models import Homeserver
from identity.invitations.models import ThirdPartyInvitation
from identity.mail.models import Mail
from identity.operators.roles import Scope
from identity.routing.models import StoredRule
from identity.rule_changes import rule_search, scopes
from identity.rule_changes.change_models import Change

from .scoping import homeservers_within, invitations_within, mails_within

NUMBERED: Final = re.compile(r"([CD])[-\s]?(\d{1,9})", re.IGNORECASE)
IDENTIFIER: Final = re.compile(
    r"<?([0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12})(?:@[^<>\s]*)?>?", re.IGNORECASE
)
REQUEST_ID: Final = re.compile(r"[0-9a-f]{16}")
# Rooms of version 12 name no homeserver. No address is taken for a room: it would stand in the URL.
ROOM_ID: Final = re.compile(r"![^\s@:]+:[^\s@]+|![\w-]{43}", re.ASCII)
LEAST_PREFIX: Final = 3  # letters
MOST: Final = 20


class Kind(StrEnum):
    """What was found."""

    SCREEN = "screen"  # one thing, which has a screen: `path`
    PERSON = "person"  # an address or a user ID: what is to be done is asked
    LIST = "list"  # rules and homeservers that begin like this
    NOTHING = "nothing"


@dataclass(frozen=True)
class Listed:
    """A rule, or a homeserver, that begins with what was typed. `path`: its screen, or ""."""

    pattern: str
    organisation: str
    homeserver: str
    path: str


@dataclass(frozen=True)
class Found:
    """The result. No `path` holds an address."""

    kind: Kind
    path: str = ""
    listed: Sequence[Listed] = field(default=())


def find(session: Session, typed: str, scope: Scope) -> Found:
    """What is meant by what was typed, in the order of shapes that operators know.

    What lies outside the scope is not found, as what does not exist.
    """
    for look in (_numbered, _identified, _named, _by_place):
        if found := look(session, typed, scope):
            return found
    return _begins_with(session, typed, scope)


def _numbered(session: Session, typed: str, scope: Scope) -> Found | None:
    """`C-142` is a change, `D-173` a request for a domain."""
    match = NUMBERED.fullmatch(typed)
    if match is None:
        return None
    letter, number = match[1].upper(), int(match[2])
    if letter == "D":
        return Found(Kind.SCREEN, f"/admin/requests/D-{number}")
    own = (Change.number == number, scopes.is_within(scope))
    if session.scalar(select(Change.number).where(*own)) is not None:
        return Found(Kind.SCREEN, f"/admin/changes/C-{number}")
    return Found(Kind.NOTHING)


def _identified(session: Session, typed: str, scope: Scope) -> Found | None:
    """A mail, by its identifier or Message-ID; an invitation; a request of the log."""
    match = IDENTIFIER.fullmatch(typed)
    if match is not None:
        wanted = uuid.UUID(match[1])
        mail, invitation = Mail.id, ThirdPartyInvitation.id
        for key, path, within in (
            (mail, "mails", mails_within(session, scope)),
            (invitation, "invitations", invitations_within(session, scope)),
        ):
            if session.scalar(select(key).where(key == wanted, within)) is not None:
                return Found(Kind.SCREEN, f"/admin/{path}/{wanted}")
        return Found(Kind.NOTHING)
    if REQUEST_ID.fullmatch(typed):
        known = exists().where(JournalEntry.request_id == typed)
        if session.scalar(select(known)):
            return Found(Kind.SCREEN, f"/admin/journal?request_id={typed}")
    return None


def _named(_session: Session, typed: str, _scope: Scope) -> Found | None:
    """A person by user ID or address; the invitations of a room."""
    if typed.startswith("@") and homeserver_in(typed) is not None:
        return Found(Kind.PERSON)
    if ROOM_ID.fullmatch(typed):
        return Found(Kind.SCREEN, f"/admin/invitations?room={quote(typed, safe='')}")
    if "@" in typed[1:]:
        try:
            EmailAddress.parse(typed, smtputf8=True)
        except InvalidAddress:
            return None
        return Found(Kind.PERSON)
    return None


def _by_place(session: Session, typed: str, scope: Scope) -> Found | None:
    """A homeserver by its name, else a domain, also one without a rule."""
    named = (Homeserver.name == typed.lower(), homeservers_within(scope))
    if not typed.startswith("@") and session.scalar(select(Homeserver.name).where(*named)):
        return Found(Kind.SCREEN, f"/admin/homeservers/{quote(typed.lower())}")
    domain = typed.removeprefix("@")
    if "." not in domain:
        return None
    try:
        return Found(Kind.SCREEN, f"/admin/domains/{parse_domain(domain)}")
    except InvalidAddress:
        return None


def _begins_with(session: Session, typed: str, scope: Scope) -> Found:
    """Rules whose pattern or organisation begins like this, and homeservers by their label."""
    if len(typed) < LEAST_PREFIX:
        return Found(Kind.NOTHING)
    row, prefix = StoredRule, typed.lower()
    begins = or_(
        row.pattern.startswith(prefix, autoescape=True),
        _has_prefix(row.organisation, typed),
    )
    # A rule of a single address names somebody: those are found by the whole address.
    rules = select(row).where(row.until_revision.is_(None), row.kind != "address", begins)
    servers = select(Homeserver).where(_has_prefix(Homeserver.label, typed))
    if not scope.is_all:
        rules = rules.where(rule_search.is_within(scope))
        servers = servers.where(homeservers_within(scope))
    found = [
        Listed(each.label, "", each.name, f"/admin/homeservers/{quote(each.name)}")
        for each in session.scalars(servers.order_by(Homeserver.name).limit(MOST))
    ]
    found += [
        Listed(
            each.pattern,
            each.organisation,
            each.homeserver or each.sibling_of or "",
            f"/admin/domains/{each.pattern}",
        )
        for each in session.scalars(rules.order_by(row.pattern).limit(MOST))
    ]
    return Found(Kind.LIST if found else Kind.NOTHING, listed=found[:MOST])


def _has_prefix(column: InstrumentedAttribute[str], typed: str) -> ColumnElement[bool]:
    """Whether a name begins like this. Databases may know the lower case of ASCII letters alone."""
    ways = {typed, typed.capitalize(), typed.upper()}
    as_written = (column.startswith(each, autoescape=True) for each in sorted(ways))
    return or_(func.lower(column).startswith(typed.lower(), autoescape=True), *as_written)
