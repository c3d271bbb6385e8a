"""Makes, changes, disables operators, each with a row in the journal; the last admin stays.

Disabling somebody, or taking a role from them, ends their sessions and API tokens at once.
"""

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from identity.core import journal, rows
from identity.core.journal import Actor, JournalEntry
from identity.homeservers import models as homeservers
from identity.mail import models as mails
from identity.mail.models import mailbox_of
from identity.mail.quota import Template
from identity.problems import LastAdmin, NoSuchOperator, NotYourOwn, OperatorExists, WrongOperator
from identity.routing import confusables

from . import factors, links, models
from .models import AdminToken, LinkKind, Operator, OperatorSession, Source
from .roles import ALL, Role, Scope, WrongRoles, check_roles

EMBEDDED_NAME: Final = "local"
MAX_NAME: Final = 80  # characters
RESERVED: Final = {EMBEDDED_NAME, "guichet", "restore", "worker"}
"""So the journal names the service itself."""
MAX_ORGANISATION: Final = 200  # characters
CLOSE_FOR: Final = timedelta(days=30)
BROUGHT: Final = ("operator.add", "operator.change", "operator.enable", "operator.reset_factor")
"""In the journal: somebody invited, raised, let in again, or reset the factor of another."""


@dataclass(frozen=True)
class Standing:
    """What an operator may do."""

    roles: frozenset[Role]
    scope: Scope = ALL


def add(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    mail: str,
    name: str,
    language: str,
    standing: Standing,
    source: Source = Source.LOCAL,
) -> Operator:
    """Make an operator. Raises OperatorExists, WrongOperator.

    `mail`: canonical. See `invite` for the mail to them.
    """
    check(session, standing)
    name = read_name(name)
    if models.find_by_mail(session, mail) or shape_of(name) in shapes_taken(session):
        raise OperatorExists
    made = Operator(mail=mail, name=name, language=language, source=source)
    return _record_new(session, now, who, made, standing)


def invite(session: Session, now: datetime, operator: Operator) -> None:
    """Order the mail that lets a new operator in once, within 72 hours."""
    if operator.mail is None:
        return
    link = links.issue_invitation(session, now, operator.id)
    mails.lock_address(session, operator.mail)
    mails.order(
        session,
        now,
        template=Template.OPERATOR_INVITE,
        address=operator.mail,
        language=operator.language,
        subject_id=link.id,
    )


def add_known(
    session: Session, now: datetime, who: Actor, made: Operator, standing: Standing
) -> Operator:
    """Make an operator of whom an OpenID provider tells, name and subject included.

    Raises WrongOperator, and OperatorExists if somebody else makes them at the same time.
    """
    check(session, standing)
    made.name = read_name(made.name)
    return _record_new(session, now, who, made, standing)


def make_embedded(session: Session, now: datetime) -> Operator:
    """The operator of a trial installation, made once: admin and approver, without a mailbox."""
    found = models.find_by_name(session, EMBEDDED_NAME)
    if found is not None:
        return found
    standing = Standing(frozenset({Role.ADMIN, Role.APPROVER, Role.SUPPORT}))
    who = Actor("guichet", "this machine", "the trial installation has one operator")
    made = Operator(mail=None, name=EMBEDDED_NAME, language="", source=Source.EMBEDDED)
    return _record_new(session, now, who, made, standing)


def change(
    session: Session,
    now: datetime,
    who: Actor,
    operator_id: uuid.UUID,
    standing: Standing,
    *,
    by: uuid.UUID | None = None,
) -> Operator:
    """Give an operator these roles and this scope in place of those they have.

    Their sessions and tokens end if anything was taken from them. `by`: the operator who does it,
    None at the shell. Raises NoSuchOperator, WrongOperator, NotYourOwn, LastAdmin.
    """
    check(session, standing)
    if by == operator_id:
        raise NotYourOwn
    operator = locked(session, operator_id)
    before = _facts(operator)
    lowered = bool(operator.role_set - standing.roles) or not operator.scope.is_within(
        standing.scope
    )
    if Role.ADMIN not in standing.roles:
        _check_not_last(session, operator)
    _set(operator, standing)
    operator.changed_by, operator.changed_at = who.name, now
    operator.version += 1
    if lowered:
        end_access(session, now, operator.id)
    facts = {"before": before, "after": _facts(operator)}
    journal.write(session, now, who, action="operator.change", subject=operator.name, facts=facts)
    return operator


def take_roles(session: Session, now: datetime, who: Actor, operator_id: uuid.UUID) -> None:
    """The OpenID provider gives an operator no role any more: they may nothing, and are out.

    They stay known, and come back with the next sign-in for which they have one. Raises
    NoSuchOperator, LastAdmin.
    """
    operator = locked(session, operator_id)
    if not operator.roles:
        return
    _check_not_last(session, operator)
    before = _facts(operator)
    operator.roles = []
    operator.changed_by, operator.changed_at = who.name, now
    operator.version += 1
    end_access(session, now, operator.id)
    facts = {"before": before, "after": _facts(operator)}
    journal.write(session, now, who, action="operator.change", subject=operator.name, facts=facts)


def disable(
    session: Session,
    now: datetime,
    who: Actor,
    operator_id: uuid.UUID,
    *,
    by: uuid.UUID | None = None,
) -> Operator:
    """Let an operator in no more.

    `by`: the operator who does it, None at the shell. Raises NoSuchOperator, NotYourOwn, LastAdmin.
    """
    if by == operator_id:
        raise NotYourOwn
    operator = locked(session, operator_id)
    if operator.disabled_at is not None:
        return operator
    _check_not_last(session, operator)
    operator.disabled_at = now
    operator.version += 1
    _shut_out(session, now, operator.id)
    journal.write(session, now, who, action="operator.disable", subject=operator.name, facts={})
    return operator


def enable(session: Session, now: datetime, who: Actor, operator_id: uuid.UUID) -> Operator:
    """Let a disabled operator in again, with a new second factor. Raises NoSuchOperator."""
    operator = locked(session, operator_id)
    if operator.disabled_at is None:
        return operator
    operator.disabled_at = operator.unconfirmed_at = None
    _shut_out(session, now, operator.id)  # also what was opened while they were being disabled
    factors.reset(session, operator.id)
    factors.unlock(operator)
    operator.changed_by, operator.changed_at = who.name, now
    operator.version += 1
    journal.write(session, now, who, action="operator.enable", subject=operator.name, facts={})
    return operator


def confirm(session: Session, now: datetime, who: Actor, operator_id: uuid.UUID) -> Operator:
    """Let in an operator of a backup that was loaded. Raises NoSuchOperator."""
    operator = locked(session, operator_id)
    if operator.unconfirmed_at is None:
        return operator
    operator.unconfirmed_at = None
    operator.version += 1
    journal.write(session, now, who, action="operator.confirm", subject=operator.name, facts={})
    return operator


def find_unconfirmed(session: Session) -> list[Operator]:
    """Those who wait for an admin since a restore, by name."""
    return [
        each for each in models.find_all(session) if each.unconfirmed_at and not each.disabled_at
    ]


def are_close(session: Session, one: Operator, other: Operator, now: datetime) -> bool:
    """Whether one invited, raised or reset the other within 30 days, or they share a mailbox.

    The journal keeps who did so and when, for every time.
    """
    if one.mail and other.mail and mailbox_of(one.mail) == mailbox_of(other.mail):
        return True
    names = {one.name, other.name}
    found = session.execute(
        select(JournalEntry.actor, JournalEntry.subject).where(
            JournalEntry.action.in_(BROUGHT),
            JournalEntry.at > now - CLOSE_FOR,
            JournalEntry.actor.in_(names),
            JournalEntry.subject.in_(names),
        )
    )
    return any(actor != subject for actor, subject in found)


def end_access(session: Session, now: datetime, operator_id: uuid.UUID) -> int:
    """End all sessions and API tokens of an operator. Returns how many sessions ended."""
    token = AdminToken.operator_id == operator_id
    rows.update(session, AdminToken, token, AdminToken.ended_at.is_(None), ended_at=now)
    own = OperatorSession.operator_id == operator_id
    return rows.update(
        session, OperatorSession, own, OperatorSession.ended_at.is_(None), ended_at=now
    )


def _shut_out(session: Session, now: datetime, operator_id: uuid.UUID) -> None:
    """End whatever lets them in: sessions, tokens, and links that nobody has used."""
    end_access(session, now, operator_id)
    for kind in LinkKind:
        links.end_all(session, now, operator_id, kind)


def required(session: Session, operator_id: uuid.UUID) -> Operator:
    """The operator. Raises NoSuchOperator."""
    found = models.find(session, operator_id)
    if found is None:
        raise NoSuchOperator
    return found


def locked(session: Session, operator_id: uuid.UUID) -> Operator:
    """The operator as the database has them now, locked: of two who change them, one waits.

    Raises NoSuchOperator.
    """
    operator = required(session, operator_id)
    models.lock(session, operator)
    return operator


def check(session: Session, standing: Standing) -> None:
    """Raises WrongOperator: these roles and this scope are given to nobody."""
    try:
        check_roles(standing.roles, standing.scope)
    except WrongRoles as error:
        raise WrongOperator(str(error)) from None
    for name in sorted(standing.scope.homeservers):
        if homeservers.find(session, name) is None:
            raise WrongOperator(f"{name} is no registered homeserver")
    for name in standing.scope.organisations:
        if not name.strip() or len(name) > MAX_ORGANISATION or not name.isprintable():
            raise WrongOperator("the name of an organisation is one line of text")


def read_name(name: str) -> str:
    """The name of an operator or a token, as the journal has it. Raises WrongOperator."""
    read = " ".join(name.split())
    if not read or len(read) > MAX_NAME or not read.isprintable() or "@" in read:
        raise WrongOperator(f"a name has 1 to {MAX_NAME} letters on one line, and no @")
    if shape_of(read) in map(shape_of, RESERVED):
        raise WrongOperator("the journal names the service itself so")
    return read


def shape_of(name: str) -> str:
    """How a name reads: two of one shape cannot be told apart in the journal.

    By Unicode's table of confusable letters (UTS 39), in any case; `i` counts as `l`.
    """
    table = confusables.table()
    letters = unicodedata.normalize("NFKC", name).translate(table).casefold()
    return letters.translate(table).casefold().replace("i", "l")


def shapes_taken(session: Session) -> set[str]:
    """The shapes of the names of all operators, disabled ones too. There are few."""
    return {shape_of(each.name) for each in models.find_all(session)}


def _check_not_last(session: Session, operator: Operator) -> None:
    """Raises LastAdmin. One transaction at a time looks, so that two cannot leave together.

    Whoever waits to be confirmed since a restore cannot take the place of an admin who is in; nor can
    the operator of a trial installation, who comes in on one machine and no more once that is public.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = cast(func.hashtext("operators: admins"), BigInteger)
        session.execute(select(func.pg_advisory_xact_lock(key)))
    if Role.ADMIN not in operator.role_set or operator.disabled_at is not None:
        return
    admins = models.find_enabled(session, Role.ADMIN)
    others = [each for each in admins if each.id != operator.id and each.needs_second_factor]
    if operator.unconfirmed_at is None:
        others = [each for each in others if each.may_come_in]
    if not others:
        raise LastAdmin


def _record_new(
    session: Session, now: datetime, who: Actor, made: Operator, standing: Standing
) -> Operator:
    made.id = uuid.uuid4()
    made.created_at = made.changed_at = now
    made.created_by = made.changed_by = who.name
    _set(made, standing)
    session.add(made)
    try:
        session.flush()
    except IntegrityError:  # somebody else adds them, or one of this name, at the same time
        raise OperatorExists from None
    facts = _facts(made) | {"source": made.source}
    journal.write(session, now, who, action="operator.add", subject=made.name, facts=facts)
    return made


def _set(operator: Operator, standing: Standing) -> None:
    operator.roles = sorted(standing.roles)
    operator.organisations = sorted(standing.scope.organisations)
    operator.homeservers = sorted(standing.scope.homeservers)


def _facts(operator: Operator) -> dict[str, Any]:
    """For the journal: the row stands under the name, and never the address."""
    facts: dict[str, Any] = {"roles": list(operator.roles)}
    for name in ("organisations", "homeservers"):
        if values := getattr(operator, name):
            facts[name] = list(values)
    return facts
