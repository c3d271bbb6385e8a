"""Checks of the settings of the OpenID provider by which operators sign in (`GUICHET_SSO_*`).

All raise ValueError with a sentence and an example, never with a secret.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from .checked_values import check_web_url
from .networks import read_address

ROLES: Final = ("viewer", "support", "editor", "approver", "auditor", "admin")
"""As `identity.operators.roles.Role`, which stands above the settings; a test compares them."""
ORGANISATION: Final = "organisation:"
SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, section 3.3
CLAIM: Final = re.compile(r"[^\s.]+(\.[^\s.]+)*")


@dataclass(frozen=True)
class RoleRule:
    """Whoever has `value` in the claim has this role; for one homeserver or organisation, or for all."""

    value: str
    role: str
    homeserver: str | None = None
    organisation: str | None = None


def read_role_rule(written: object) -> object:
    """Read `VALUE=ROLE`, `VALUE=ROLE@HOMESERVER` or `VALUE=ROLE@organisation:NAME`."""
    if not isinstance(written, str):
        return written
    value, equals, meant = written.rpartition("=")
    role, at, scope = meant.partition("@")
    value, role, scope = value.strip(), role.strip(), scope.strip()
    if not equals or not value or role not in ROLES or (at and not scope):
        raise ValueError(
            "must name who has which role: VALUE=ROLE or VALUE=ROLE@HOMESERVER, with a role of "
            f"{', '.join(ROLES)}, for example ops-appr=approver@education.example"
        )
    if at and role in {"auditor", "admin"}:
        raise ValueError(f"an {role} has no scope: write {value}={role}")
    if scope.startswith(ORGANISATION):
        organisation = scope.removeprefix(ORGANISATION).strip()
        if not organisation:  # an empty one would stand for the whole federation
            raise ValueError(f"must name the organisation: {value}={role}@{ORGANISATION}NAME")
        return RoleRule(value, role, organisation=organisation)
    return RoleRule(value, role, homeserver=scope or None)


def check_issuer(value: str) -> str:
    """The issuer exactly as its tokens name it (OpenID Connect Core 1.0, section 2)."""
    example = "for example https://sso.example.org/realms/ops"
    check_web_url(value)
    parts = urlsplit(value)
    if parts.query or parts.fragment or value.endswith(("?", "#")):
        raise ValueError(f"must have no query and no fragment, {example}")
    if parts.scheme != "https" and not is_this_machine(parts.hostname):
        raise ValueError(f"must begin with https://, {example}")
    return value


def is_this_machine(host: str | None) -> bool:
    """Whether plain http may be used: nothing leaves this machine."""
    ip = read_address(host or "")
    return host == "localhost" or (ip is not None and ip.is_loopback)


def check_scopes(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names of scopes; `openid` makes it OpenID Connect."""
    if "openid" not in values or not all(map(SCOPE.fullmatch, values)):
        raise ValueError("must name openid, and blanks between, for example openid profile email")
    return values


def check_claim(value: str) -> str:
    """A claim, or the path to one inside others."""
    if not CLAIM.fullmatch(value):
        raise ValueError("must be the name of a claim, for example groups or realm_access.roles")
    return value


def split_blanks(given: object) -> object:
    """Read names with blanks between them."""
    return tuple(given.split()) if isinstance(given, str) else given
