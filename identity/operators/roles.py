"""What each role of an operator allows: the one table that console, API and commands ask.

A role has a scope: organisations and homeservers, or everything. What lies outside it is not found.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What somebody does. Roles are a set; an auditor has no other."""

    VIEWER = "viewer"  # sees everything but people
    SUPPORT = "support"  # helps one person at a time
    EDITOR = "editor"  # answers requests for domains, prepares changes of rules
    APPROVER = "approver"  # lets changes of others come into force, stops harm
    AUDITOR = "auditor"  # reads the journal, and nothing else
    ADMIN = "admin"  # operators, tokens, homeservers, keys


class Deed(StrEnum):
    """What a screen, a call of the API or a button does."""

    SEE = "see"
    SEE_SELF = "see_self"  # one's own sessions and factors
    RENEW_SELF = "renew_self"  # one's own recovery codes
    SEE_JOURNAL = "see_journal"
    EXPORT_JOURNAL = "export_journal"
    SEE_ACCESS = "see_access"
    SEE_SETTINGS = "see_settings"
    TEST_ADDRESS = "test_address"
    OPEN_PERSON = "open_person"
    HELP_PERSON = "help_person"  # re-send, unlock codes, free an address
    EXPORT_PERSON = "export_person"
    ERASE_PERSON = "erase_person"
    HANDLE_MAIL = "handle_mail"  # retry or cancel a mail
    HANDLE_INVITATION = "handle_invitation"  # re-send, extend, revoke, deliver
    DRAFT = "draft"  # make and edit a change, answer a request for a domain
    SEE_REQUESTERS = "see_requesters"  # the addresses of those who ask for a domain
    PROPOSE = "propose"
    EXPORT_RULES = "export_rules"
    APPROVE = "approve"
    APPLY = "apply"  # also schedule
    ROLL_BACK = "roll_back"
    BREAK_GLASS = "break_glass"
    FREEZE = "freeze"
    THAW = "thaw"
    MANAGE_HOMESERVER = "manage_homeserver"
    MANAGE_ACCESS = "manage_access"  # operators and tokens


@dataclass(frozen=True)
class Permission:
    """Who may do a deed. `step_up`: after their second factor, asked lately. `reason`: why is asked."""

    roles: frozenset[Role]
    step_up: bool = False
    reason: bool = False


IMPLIED: Final = {
    Role.VIEWER: {Role.VIEWER},
    Role.SUPPORT: {Role.SUPPORT, Role.VIEWER},
    Role.EDITOR: {Role.EDITOR, Role.VIEWER},
    Role.APPROVER: {Role.APPROVER, Role.EDITOR, Role.VIEWER},
    Role.AUDITOR: {Role.AUDITOR},
    Role.ADMIN: {Role.ADMIN, Role.VIEWER},
}


def _to(*roles: Role, step_up: bool = False, reason: bool = False) -> Permission:
    return Permission(frozenset(roles), step_up=step_up, reason=reason)


PERMISSIONS: Final = {
    Deed.SEE: _to(Role.VIEWER),
    Deed.SEE_SELF: _to(*Role),
    Deed.RENEW_SELF: _to(*Role, step_up=True),
    Deed.SEE_JOURNAL: _to(Role.VIEWER, Role.AUDITOR),
    Deed.EXPORT_JOURNAL: _to(Role.AUDITOR, step_up=True),
    Deed.SEE_ACCESS: _to(Role.ADMIN, Role.AUDITOR),
    Deed.SEE_SETTINGS: _to(Role.ADMIN),
    Deed.TEST_ADDRESS: _to(Role.VIEWER),
    Deed.OPEN_PERSON: _to(Role.SUPPORT, reason=True),
    Deed.HELP_PERSON: _to(Role.SUPPORT, reason=True),
    Deed.EXPORT_PERSON: _to(Role.SUPPORT, step_up=True, reason=True),
    Deed.ERASE_PERSON: _to(Role.ADMIN, step_up=True, reason=True),
    Deed.HANDLE_MAIL: _to(Role.SUPPORT, reason=True),
    Deed.HANDLE_INVITATION: _to(Role.SUPPORT, reason=True),
    Deed.DRAFT: _to(Role.EDITOR),
    Deed.SEE_REQUESTERS: _to(Role.EDITOR, reason=True),
    Deed.PROPOSE: _to(Role.EDITOR),
    Deed.EXPORT_RULES: _to(Role.EDITOR, step_up=True),
    Deed.APPROVE: _to(Role.APPROVER, step_up=True),
    Deed.APPLY: _to(Role.APPROVER, step_up=True),
    Deed.ROLL_BACK: _to(Role.APPROVER, step_up=True, reason=True),
    Deed.BREAK_GLASS: _to(Role.APPROVER, step_up=True, reason=True),
    Deed.FREEZE: _to(Role.APPROVER, reason=True),
    Deed.THAW: _to(Role.APPROVER, step_up=True, reason=True),
    Deed.MANAGE_HOMESERVER: _to(Role.ADMIN, step_up=True, reason=True),
    Deed.MANAGE_ACCESS: _to(Role.ADMIN, step_up=True, reason=True),
}


@dataclass(frozen=True)
class Scope:
    """Organisations and homeservers that somebody looks after; both empty: everything."""

    organisations: frozenset[str] = frozenset()
    homeservers: frozenset[str] = frozenset()

    @property
    def is_all(self) -> bool:
        return not self.organisations and not self.homeservers

    def covers(self, *, homeserver: str | None, organisation: str | None = None) -> bool:
        """Whether a thing of this homeserver or organisation lies within."""
        return self.is_all or homeserver in self.homeservers or organisation in self.organisations

    def is_within(self, other: "Scope") -> bool:
        """Whether everything in here lies within the other."""
        if other.is_all:
            return True
        return (
            not self.is_all
            and self.organisations <= other.organisations
            and self.homeservers <= other.homeservers
        )


ALL: Final = Scope()


class WrongRoles(ValueError):
    """These roles do not go together. The message says why."""


def check_roles(roles: Collection[Role], scope: Scope) -> None:
    """Raises WrongRoles: no role, an auditor with another role, or an admin with a scope."""
    if not roles:
        raise WrongRoles("at least one role is needed")
    if Role.AUDITOR in roles and len(roles) > 1:
        raise WrongRoles("an auditor may hold no other role")
    if {Role.AUDITOR, Role.ADMIN} & set(roles) and not scope.is_all:
        raise WrongRoles("an auditor or admin has no scope: their work is the whole federation")


def effective(roles: Iterable[Role]) -> frozenset[Role]:
    """The roles with those that they imply."""
    return frozenset[Role]().union(*(IMPLIED[role] for role in roles))


def strongest(roles: Collection[Role]) -> list[Role]:
    """The roles that no other one of them implies, in the order of `Role`."""
    implied = {each for role in roles for each in IMPLIED[role] - {role}}
    return [role for role in Role if role in roles and role not in implied]


def may(roles: Iterable[Role], deed: Deed) -> bool:
    """Whether somebody with these roles may do it, within their scope."""
    return bool(effective(roles) & PERMISSIONS[deed].roles)
