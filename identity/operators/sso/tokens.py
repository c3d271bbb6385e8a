"""Checks what the OpenID provider signed, and says what it tells of a person.

Authlib compares the audience only if it is told to, and never looks at `auth_time`: both are done
here. Keys come from what the worker read, never from the token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from authlib.oauth2.claims import JWTClaims
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
)
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress

from .provider import Client, Provider

LEEWAY: Final = 60  # seconds that the provider's clock may be off
MAX_SUBJECT: Final = 255  # characters, OpenID Connect Core 1.0, section 2
MAX_VALUES: Final = 1000  # of the claim with the roles
OWN_OF_THE_TOKEN: Final = ("iss", "sub", "aud", "amr", "acr", "auth_time")
KNOWN_BY_HEART: Final = {"pwd", "pin"}  # values of `amr`, RFC 8176
OWNED: Final = {"otp", "totp", "hwk", "swk", "sc"}
CLAIMS: Final = {"iss": "issuer", "aud": "audience", "azp": "audience", "nonce": "nonce"}


class Refused(Exception):
    """The provider did not confirm who this is. `why`: one word, for the journal."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class UnknownKey(Refused):
    """The token was signed with a key that is not among those that were read."""


@dataclass(frozen=True)
class Told:
    """What the provider tells of a person."""

    issuer: str
    subject: str
    mail: str
    """Canonical; empty without one, or if the provider says that it is not verified."""
    name: str
    """As they are called; empty without one."""
    values: frozenset[str]
    """Those of the claim with the roles."""
    has_two_factors: bool
    signed_in_at: datetime | None
    """When the person last proved to the provider who they are; None: it does not say."""


def read_id_token(
    client: Client,
    provider: Provider,
    token: str,
    now: datetime,
    *,
    nonce: str,
    access_token: str,
) -> dict[str, Any]:
    """The claims of an ID token that is for us and for this sign-in. Raises Refused."""
    signed = _decode(provider, token)
    # Essential, each: what a token does not have would not be compared.
    wanted: Any = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": client.client_id},
        "sub": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": client.client_id, "access_token": access_token}
    _validate(CodeIDToken(signed.claims, signed.header, wanted, params), now)
    subject = signed.claims["sub"]
    if len(subject) > MAX_SUBJECT or not subject.isprintable():  # else no database takes it
        raise Refused("claim")
    return signed.claims


def read_userinfo(client: Client, provider: Provider, token: str, now: datetime) -> dict[str, Any]:
    """The claims of a signed answer about a person (OpenID Connect Core 1.0, section 5.3.2).

    Raises Refused.
    """
    signed = _decode(provider, token)
    wanted: Any = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": client.client_id},
    }
    _validate(JWTClaims(signed.claims, signed.header, wanted), now)
    return signed.claims


def read_person(
    client: Client, claims: Mapping[str, Any], userinfo: Mapping[str, Any] | None = None
) -> Told:
    """What both say of the person. Raises Refused if they speak of two.

    How and when somebody signed in is believed to the ID token alone.
    """
    if userinfo is not None and userinfo.get("sub") != claims["sub"]:
        raise Refused("userinfo")
    others = {k: v for k, v in (userinfo or {}).items() if k not in OWN_OF_THE_TOKEN}
    told = {**claims, **others}
    return Told(
        issuer=claims["iss"],
        subject=claims["sub"],
        mail=_mail(told),
        name=_name(told),
        values=_values(told, client.role_claim),
        has_two_factors=_has_two_factors(client, claims),
        signed_in_at=_moment(claims.get("auth_time")),
    )


def _decode(provider: Provider, token: str) -> jwt.Token:
    # Other members of the header are left alone, as Authlib does; a `crit` one is refused.
    registry = JWSRegistry(algorithms=list(provider.algorithms), strict_check_header=False)
    try:
        keys = KeySet.import_key_set(provider.keys)  # type: ignore[arg-type]  # JSON of a column
        return jwt.decode(token, keys, registry=registry)
    except InvalidKeyIdError:
        raise UnknownKey("key") from None
    except BadSignatureError:
        raise Refused("signature") from None
    except (JoseError, ValueError, TypeError, KeyError):
        raise Refused("token") from None


def _validate(claims: JWTClaims, now: datetime) -> None:
    try:
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY)
    except ExpiredTokenError:
        raise Refused("expired") from None
    except ClaimError as error:
        raise Refused(CLAIMS.get(error.claim or "", "claim")) from None
    except (JoseError, ValueError, TypeError, OverflowError):
        raise Refused("claim") from None


def _mail(told: Mapping[str, Any]) -> str:
    found, is_verified = told.get("email"), told.get("email_verified", True)
    # ProConnect does not say; whoever says no, or anything but yes, is believed.
    if not isinstance(found, str) or is_verified not in (True, "true"):
        return ""
    try:
        return EmailAddress.parse(found).canonical
    except InvalidAddress:
        return ""


def _name(told: Mapping[str, Any]) -> str:
    family = told.get("family_name") or told.get("usual_name")
    parts = [told["name"]] if told.get("name") else [told.get("given_name"), family]
    words = " ".join(part for part in parts if isinstance(part, str)).split()
    return " ".join(word for word in words if word.isprintable() and "@" not in word)


def _values(told: Mapping[str, Any], claim: str | None) -> frozenset[str]:
    """The texts in a claim, which may stand inside others: `realm_access.roles`."""
    if claim is None:
        return frozenset()
    found: Any = told.get(claim)
    if found is None:
        found = told
        for name in claim.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return frozenset(each for each in listed[:MAX_VALUES] if isinstance(each, str))


def _has_two_factors(client: Client, claims: Mapping[str, Any]) -> bool:
    """Whether the provider says so (RFC 8176), or names a level that stands for it."""
    if claims.get("acr") in client.acr:
        return True
    given = claims.get("amr")
    methods = (
        {each for each in given if isinstance(each, str)} if isinstance(given, list) else set()
    )
    return "mfa" in methods or bool(methods & KNOWN_BY_HEART and methods & OWNED)


def _moment(given: object) -> datetime | None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        return datetime.fromtimestamp(given, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def is_fresh(told: Told, now: datetime, *, within: timedelta) -> bool:
    """Whether they proved who they are within this time, and not in the future."""
    at = told.signed_in_at
    return at is not None and now - within < at <= now + timedelta(seconds=LEEWAY)
