"""Freezes and thaws, and refuses what is frozen.

The checks read the table in the transaction of what they allow, so that a freeze holds on every
node from its commit on, and no entrance to a service can pass it by.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core import journal, outbox
from identity.core.journal import Actor
from identity.core.journal_places import of_domain

from . import models as freezes
from .models import Freeze, Freezes, Frozen
from .views import describe

TOGETHER = (Frozen.SIGN_UPS, Frozen.INVITATIONS, Frozen.MAILS)
"""What `guichet freeze all` freezes."""


def freeze(
    session: Session,
    now: datetime,
    who: Actor,
    what: Frozen,
    *,
    domain: str = "",
    until: datetime | None = None,
    may_shorten: bool = True,
) -> Freeze:
    """Freeze it from now on. What is frozen already gets this end and reason.

    `domain`: for Frozen.DOMAIN, in A-labels. `until`: None if it is to be thawed by hand. Raises
    EndsSooner: who may not shorten a freeze gives a later end to one in force.
    """
    found, is_new = freezes.find_or_begin(session, now, what, domain)
    if not is_new and not may_shorten and not freezes.is_over(found, now):
        problems.EndsSooner.check(found.until, until)
    before = None if is_new else describe(found)
    if freezes.is_over(found, now):
        found.since = now
    found.until, found.author, found.reason = until, who.name, who.reason
    session.flush()
    facts = {"before": before, "after": describe(found)}
    key, places = found.key, of_domain(found.domain)
    journal.write(session, now, who, action="freeze.begin", subject=key, facts=facts, places=places)
    return found


def thaw(session: Session, now: datetime, who: Actor, what: Frozen, *, domain: str = "") -> bool:
    """End a freeze, and let go what it held, in its order. False if it was not frozen."""
    found = freezes.find_locked(session, what, domain)
    if found is None:
        return False
    facts = {"before": describe(found), "released_jobs": outbox.release(session, now, found.key)}
    key, places = found.key, of_domain(found.domain)
    session.delete(found)
    session.flush()
    journal.write(session, now, who, action="freeze.end", subject=key, facts=facts, places=places)
    return True


def check_console(in_force: Freezes, *, is_admin: bool) -> None:
    """Raises ConsoleFrozen for an operator, or their program, who is no admin."""
    found = in_force.of(Frozen.CONSOLE)
    if found and not is_admin:
        raise problems.ConsoleFrozen(found.key, until=found.until)


def check_sign_up(session: Session, now: datetime, address: EmailAddress) -> None:
    """Raises SignUpsFrozen, DomainFrozen."""
    in_force = freezes.find_in_force(session, now)
    check_sign_ups(in_force)
    _check_domain(in_force, address)


def check_sign_ups(in_force: Freezes) -> None:
    """Raises SignUpsFrozen."""
    if found := in_force.of(Frozen.SIGN_UPS):
        raise problems.SignUpsFrozen(found.key, until=found.until)


def check_invitation(session: Session, now: datetime, address: EmailAddress | None = None) -> None:
    """Raises InvitationsFrozen, DomainFrozen. Without an address only the former."""
    refuse_invitation(freezes.find_in_force(session, now), address)


def refuse_invitation(in_force: Freezes, address: EmailAddress | None = None) -> None:
    """Raises as `check_invitation`."""
    if found := in_force.of(Frozen.INVITATIONS):
        raise problems.InvitationsFrozen(found.key, until=found.until)
    if address is not None:
        _check_domain(in_force, address)


def check_mail(
    session: Session, now: datetime, address: EmailAddress, *, invites: bool = False
) -> None:
    """Whether a mail may leave to this address. `invites`: it is about an invitation.

    Raises MailsFrozen, also if its domain is frozen; and InvitationsFrozen.
    """
    in_force = freezes.find_in_force(session, now)
    refuse_mail(in_force, address)
    if invites and (found := in_force.of(Frozen.INVITATIONS)):
        raise problems.InvitationsFrozen(found.key, until=found.until)


def refuse_mail(in_force: Freezes, address: EmailAddress) -> None:
    """Raises MailsFrozen, also if the domain of the address is frozen."""
    if found := in_force.of_mail(address.ascii_domain):
        raise problems.MailsFrozen(found.key, until=found.until)


def keys_in_force(session: Session, now: datetime) -> Sequence[str]:
    """What holds jobs now, see `leases.hold`."""
    return sorted(freezes.keys_of(freezes.find_in_force(session, now).each))


def _check_domain(in_force: Freezes, address: EmailAddress) -> None:
    if found := in_force.of_domain(address.ascii_domain):
        raise problems.DomainFrozen(found.key, until=found.until)
