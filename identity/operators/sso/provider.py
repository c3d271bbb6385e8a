"""What this service is at the OpenID provider, and what the provider says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import SecretStr
from sqlalchemy import or_
from sqlalchemy.orm import Session

from identity.core import inserting, rows
from identity.settings import Settings
from identity.sso_settings import RoleRule, is_this_machine

from .models import SsoProvider, find_provider

BACK: Final = "/admin/sign-in/sso/back"
"""Where the provider sends people back to; it is registered there, letter by letter."""
LEFT: Final = "/admin/sign-in/sso/left"
"""Where it sends them after they signed out there."""

READ_EVERY: Final = timedelta(hours=1)
TRY_AGAIN: Final = timedelta(minutes=1)
"""After a try that failed, or when a token named a key that is not there."""
# Signatures that only the provider can make. What is signed by our own secret proves less.
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
)
KEY_TYPES: Final = {"RSA", "EC"}
MEMBERS: Final = (
    *("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint"),
    *("end_session_endpoint", "id_token_signing_alg_values_supported"),
    *("token_endpoint_auth_methods_supported", "claims_parameter_supported"),
)
"""What is kept of the provider's description."""
PUBLIC_MEMBERS: Final = ("kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y")
MAX_URL: Final = 2000  # characters


class WrongProvider(ValueError):
    """What the provider says of itself cannot be used. The message says why."""


@dataclass(frozen=True)
class Client:
    """This service, as the provider knows it."""

    issuer: str
    client_id: str
    secret: SecretStr
    label: str
    scopes: tuple[str, ...]
    acr: tuple[str, ...]
    uses_pkce: bool
    userinfo: Literal["off", "json", "jwt"]
    role_claim: str | None
    roles: tuple[RoleRule, ...]
    back_url: str
    left_url: str


@dataclass(frozen=True)
class Provider:
    """An OpenID provider (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorize_url: str
    token_url: str
    userinfo_url: str | None
    sign_out_url: str | None
    keys: Mapping[str, Any]
    """A JWK set (RFC 7517)."""
    algorithms: tuple[str, ...]
    takes_secret_in_form: bool
    takes_claims: bool
    """Whether it can be asked for single claims (OpenID Connect Core 1.0, section 5.5)."""


def client_of(settings: Settings) -> Client | None:
    """This service at its provider; None if there is none."""
    if settings.sso_issuer is None or settings.sso_client_secret is None:
        return None
    return Client(
        issuer=settings.sso_issuer,
        client_id=settings.sso_client_id or "",
        secret=settings.sso_client_secret,
        label=settings.sso_name,
        scopes=settings.sso_scopes,
        acr=settings.sso_acr,
        uses_pkce=settings.sso_pkce == "on",
        userinfo=settings.sso_userinfo,
        role_claim=settings.sso_role_claim,
        roles=settings.sso_roles,
        back_url=settings.console_origin + BACK,
        left_url=settings.console_origin + LEFT,
    )


def read_provider(
    issuer: str, document: Mapping[str, Any], keys: Mapping[str, Any] | None = None
) -> Provider:
    """Read the provider's own description. `keys`: its JWK set, as `read_keys` returns it.

    Raises WrongProvider.
    """
    if document.get("issuer") != issuer:
        raise WrongProvider("it names another issuer than GUICHET_SSO_ISSUER, letter by letter")
    offered = _strings(document, "id_token_signing_alg_values_supported") or ["RS256"]
    algorithms = tuple(each for each in ALGORITHMS if each in offered)
    if not algorithms:
        raise WrongProvider("it signs with none of RS256, PS256, ES256 and their longer kin")
    sends_secret = _strings(document, "token_endpoint_auth_methods_supported")
    return Provider(
        issuer=issuer,
        authorize_url=_url(issuer, document, "authorization_endpoint"),
        token_url=_url(issuer, document, "token_endpoint"),
        userinfo_url=_url_or_none(issuer, document, "userinfo_endpoint"),
        sign_out_url=_url_or_none(issuer, document, "end_session_endpoint"),
        keys=keys or {"keys": []},
        algorithms=algorithms,
        takes_secret_in_form="client_secret_post" in sends_secret,
        takes_claims=document.get("claims_parameter_supported") is True,
    )


def keys_url(issuer: str, document: Mapping[str, Any]) -> str:
    """Where its keys stand. Raises WrongProvider."""
    return _url(issuer, document, "jwks_uri")


def read_keys(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that sign, public halves only, as a JWK set. Raises WrongProvider if there are none.

    Keys that cannot be read, as of a curve that is not known here, are left out: the others still sign.
    """
    given = answer.get("keys")
    found = [
        {name: key[name] for name in PUBLIC_MEMBERS if name in key}
        for key in (given if isinstance(given, list) else [])
        if isinstance(key, dict) and key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig"
    ]
    readable = [key for key in found if _is_readable(key)]
    if not readable:
        raise WrongProvider("it shows no key that signs")
    return {"keys": readable}


def _is_readable(key: dict[str, Any]) -> bool:
    try:
        KeySet.import_key_set({"keys": [key]})
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return True


def split(url: str) -> tuple[str, str]:
    """A URL of the provider as scheme and host, and what follows."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}", f"{parts.path or '/'}{query}"


def find(session: Session, client: Client) -> Provider | None:
    """The provider as the worker read it last; None if it did not yet. Raises WrongProvider."""
    row = find_provider(session, client.issuer)
    if row is None or row.document is None:
        return None
    return read_provider(client.issuer, row.document, row.keys)


def claim_reading(session: Session, now: datetime, issuer: str) -> bool:
    """Whether it is to be read now, by the caller: of several that ask at once, one is told so."""
    empty = {"issuer": issuer, "fault": ""}
    inserting.insert_if_new(session, SsoProvider, empty)
    row = SsoProvider
    is_due = or_(
        row.read_at.is_(None),
        row.read_at <= now - READ_EVERY,
        row.fault != "",
        row.asked_at.is_not(None),
    )
    is_rested = or_(row.tried_at.is_(None), row.tried_at <= now - TRY_AGAIN)
    return rows.update(session, row, row.issuer == issuer, is_due, is_rested, tried_at=now) > 0


def store(
    session: Session, now: datetime, issuer: str, document: dict[str, Any], keys: dict[str, Any]
) -> None:
    """Keep what is needed of what was read."""
    kept = {name: document[name] for name in MEMBERS if name in document}
    facts = {"document": kept, "keys": keys, "read_at": now, "fault": "", "asked_at": None}
    rows.update(session, SsoProvider, SsoProvider.issuer == issuer, **facts)


def store_fault(session: Session, issuer: str, fault: str) -> None:
    """Keep why it could not be read. What was read before stays in use."""
    rows.update(session, SsoProvider, SsoProvider.issuer == issuer, fault=fault)


def ask_for_keys(session: Session, now: datetime, issuer: str) -> None:
    """A token named a key that is not there: the worker reads the keys anew within a minute."""
    rows.update(session, SsoProvider, SsoProvider.issuer == issuer, asked_at=now)


def _strings(document: Mapping[str, Any], name: str) -> list[str]:
    found = document.get(name)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _url_or_none(issuer: str, document: Mapping[str, Any], name: str) -> str | None:
    return _url(issuer, document, name) if document.get(name) is not None else None


def _url(issuer: str, document: Mapping[str, Any], name: str) -> str:
    """A URL of the provider: as safe as its issuer, so that no secret leaves in clear text."""
    found = document.get(name)
    if not isinstance(found, str) or len(found) > MAX_URL or not found.isprintable():
        raise WrongProvider(f"it names no {name}")
    try:
        parts = urlsplit(found)
        parts.port  # noqa: B018  raises ValueError for one that is none
    except ValueError:
        raise WrongProvider(f"its {name} is no URL") from None
    is_here = parts.scheme == "http" and is_this_machine(parts.hostname)
    is_safe = parts.scheme == "https" or (is_here and issuer.startswith("http:"))
    if not parts.hostname or not is_safe or "@" in parts.netloc or parts.fragment:
        raise WrongProvider(f"its {name} does not begin with https://")
    return found
