"""What somebody with a scope may see of homeservers, mails, invitations and the journal, as conditions."""

from sqlalchemy import ColumnElement, String, cast, exists, literal, or_, select, true
from sqlalchemy.orm import Session

from identity.core.address_domains import domain_of
from identity.core.journal import BY_COMMAND, JournalEntry
from identity.core.journal_places import JournalPlace, PlaceKind
from identity.core.user_servers import server_of
from identity.homeservers.models import Homeserver
from identity.invitations.models import ThirdPartyInvitation
from identity.mail.models import Mail
from identity.operators.roles import Scope
from identity.routing import scoped_domains
from identity.rule_changes.change_models import Change
from identity.rule_changes.scopes import is_within as is_change_within


def homeservers_within(scope: Scope) -> ColumnElement[bool]:
    """Its homeservers, and those to which a rule of one of its organisations leads."""
    if scope.is_all:
        return true()
    led = scoped_domains.leads_to(Homeserver.name.expression, scope.organisations)
    return Homeserver.name.in_(scope.homeservers) | led


def mails_within(session: Session, scope: Scope) -> ColumnElement[bool]:
    """Mails to addresses whose domain belongs to the scope."""
    return _is_domain_within(session, domain_of(Mail.address), scope)


def invitations_within(session: Session, scope: Scope) -> ColumnElement[bool]:
    """Invitations by or to people of its homeservers, or of addresses whose domain belongs to it."""
    if scope.is_all:
        return true()
    row = ThirdPartyInvitation
    by_them = server_of(row.sender).in_(scope.homeservers)
    to_them = server_of(row.invitee).in_(scope.homeservers)
    return by_them | to_them | _is_domain_within(session, domain_of(row.address), scope)


def journal_within(session: Session, name: str, scope: Scope) -> ColumnElement[bool] | None:
    """Rows of what this operator did, and of what was done within the scope; None: all of them.

    Within it lie homeservers, domains and people of the scope (as the opening of the file of one of
    them), and changes that lie within it. By command anybody may sign with any name: those rows are
    not the operator's.
    """
    if scope.is_all:
        return None
    row, place = JournalEntry, JournalPlace
    mine = (row.actor == name) & ~row.origin.startswith(BY_COMMAND, autoescape=True)
    inside = or_(
        (place.kind == PlaceKind.HOMESERVER) & place.name.in_(scope.homeservers),
        (place.kind == PlaceKind.ORGANISATION) & place.name.in_(scope.organisations),
        (place.kind == PlaceKind.DOMAIN) & _is_domain_within(session, place.name.expression, scope),
    )
    theirs = exists().where(place.number == row.number, inside)
    labels = select(literal("C-") + cast(Change.number, String)).where(is_change_within(scope))
    return mine | row.subject.in_(scope.homeservers) | row.subject.in_(labels) | theirs


def _is_domain_within(
    session: Session, domain: ColumnElement[str], scope: Scope
) -> ColumnElement[bool]:
    if scope.is_all:
        return true()
    return scoped_domains.belongs(
        session, domain, homeservers=scope.homeservers, organisations=scope.organisations
    )
