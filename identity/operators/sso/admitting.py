"""Lets in whom the OpenID provider vouches for: which operator it is, and with which roles.

An operator is known by issuer and subject. An address only joins an invitation that is open to the
first sign-in. Where the provider tells roles they are read at each sign-in; whoever has none there
does not get in, and what they had here ends.
"""

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor
from identity.operators import links, models as operators, service
from identity.operators.models import LinkKind, Operator, OperatorLink, Source
from identity.operators.roles import ALL, Role, Scope, WrongRoles, check_roles
from identity.operators.service import MAX_NAME, RESERVED, Standing
from identity.problems import LastAdmin, WrongOperator
from identity.sso_settings import RoleRule

from .provider import Client
from .tokens import Told

NAMES: Final = 100  # people of one name


@dataclass(frozen=True)
class Admitted:
    """`operator`: who may come in; None: nobody. `why` not, in one word, is in the journal."""

    operator: Operator | None
    why: str = ""


def admit(
    session: Session, now: datetime, who: Actor, client: Client, told: Told, *, language: str
) -> Admitted:
    """Find or make the operator, give them the roles that the provider tells, and write it down.

    `who`: the provider, as the journal names it.
    """
    found = find_operator(session, now, told)
    if found is not None and not found.may_come_in:
        why = "disabled"
    elif client.role_claim is not None:
        found, why = _follow_claim(
            session, now, who, client=client, told=told, found=found, language=language
        )
    elif found is None:
        why = "unknown"
    else:
        why = "" if found.role_set else "role"
    if not why:
        return Admitted(found)
    refuse(session, now, who, why, found.name if found else "")
    return Admitted(None, why)


def _follow_claim(
    session: Session,
    now: datetime,
    who: Actor,
    *,
    client: Client,
    told: Told,
    found: Operator | None,
    language: str,
) -> tuple[Operator | None, str]:
    """Give the operator, who is made if need be, the roles that the provider tells; or why not."""
    try:
        standing = standing_of(client.roles, told.values)
    except WrongRoles:
        standing = None
    try:
        if standing is None:
            if found is not None:
                service.take_roles(session, now, who, found.id)
            return found, "role"
        if found is None:
            return _make(session, now, who, told, standing, language=language), ""
        found.source = Source.SSO
        if (found.role_set, found.scope) != (standing.roles, standing.scope):
            service.change(session, now, who, found.id, standing)
    except WrongOperator:  # the scope names a homeserver that is not registered
        if found is not None:
            service.end_access(session, now, found.id)
        return found, "scope"
    except LastAdmin:
        if found is not None:
            service.end_access(session, now, found.id)
        return found, "last_admin"
    return found, ""


def refuse(session: Session, now: datetime, who: Actor, why: str, name: str = "") -> None:
    """Write down that a sign-in was refused. `name`: of the operator, if it is known."""
    facts = {"why": why, "by": "sso"}
    subject = name or "somebody"
    journal.write(session, now, who, action="operator.refuse", subject=subject, facts=facts)


def standing_of(rules: Iterable[RoleRule], values: frozenset[str]) -> Standing | None:
    """The roles of somebody with these values in the claim; None without any.

    A role for several homeservers or organisations covers them together. Several roles cover what
    all of them cover: nobody gets more by one role than it was given for. Raises WrongRoles if that
    is nothing, or if the roles do not go together.
    """
    scopes: dict[Role, Scope] = {}
    for rule in rules:
        if rule.value in values:
            role, scope = Role(rule.role), _scope_of(rule)
            scopes[role] = _together(scopes[role], scope) if role in scopes else scope
    if not scopes:
        return None
    common = ALL
    for scope in scopes.values():
        common = _both(common, scope)
    check_roles(scopes.keys(), common)
    return Standing(frozenset(scopes), common)


def _scope_of(rule: RoleRule) -> Scope:
    return Scope(
        organisations=frozenset({rule.organisation} if rule.organisation else ()),
        homeservers=frozenset({rule.homeserver} if rule.homeserver else ()),
    )


def _together(one: Scope, other: Scope) -> Scope:
    if one.is_all or other.is_all:
        return ALL
    return Scope(one.organisations | other.organisations, one.homeservers | other.homeservers)


def _both(one: Scope, other: Scope) -> Scope:
    """What lies in both. Raises WrongRoles if nothing does: an empty scope would be everything."""
    if one.is_all or other.is_all:
        return other if one.is_all else one
    common = Scope(one.organisations & other.organisations, one.homeservers & other.homeservers)
    if common.is_all:
        raise WrongRoles("these roles are for different homeservers or organisations")
    return common


def find_operator(session: Session, now: datetime, told: Told) -> Operator | None:
    """The operator of this issuer and subject; else the one whose open invitation has the address."""
    known = session.scalar(
        select(Operator).where(Operator.issuer == told.issuer, Operator.subject == told.subject)
    )
    if known is not None or not told.mail:
        return known
    invited = session.scalar(
        select(Operator)
        .join(OperatorLink, OperatorLink.operator_id == Operator.id)
        .where(
            Operator.mail == told.mail,
            Operator.issuer.is_(None),
            OperatorLink.kind == LinkKind.INVITE,
            OperatorLink.used_at.is_(None),
            OperatorLink.ends_at > now,
        )
    )
    if invited is None:
        return None
    invited.issuer, invited.subject = told.issuer, told.subject
    links.end_all(session, now, invited.id, LinkKind.INVITE)
    session.flush()
    return invited


def _make(
    session: Session, now: datetime, who: Actor, told: Told, standing: Standing, *, language: str
) -> Operator:
    """Somebody whom the provider gives roles, and who is here for the first time.

    An address that another operator has stays theirs: it proves nothing about the newcomer.
    """
    mail = told.mail if told.mail and not operators.find_by_mail(session, told.mail) else None
    made = Operator(
        mail=mail,
        name=_free_name(session, told.name, {who.name, *RESERVED}),
        language=language,
        source=Source.SSO,
        issuer=told.issuer,
        subject=told.subject,
    )
    return service.add_known(session, now, who, made, standing)


def _free_name(session: Session, wanted: str, others: Collection[str]) -> str:
    """The name if nobody has one that reads the same, else with a number.

    The journal tells operators apart by it, and people choose theirs. `others`: further names there.
    """
    taken = service.shapes_taken(session) | set(map(service.shape_of, others))
    wanted = wanted[: MAX_NAME - 4].strip()
    for number in range(1, NAMES if wanted else 1):
        name = wanted if number == 1 else f"{wanted} {number}"
        if service.shape_of(name) not in taken:
            return name
    return f"operator {secrets.token_hex(4)}"
