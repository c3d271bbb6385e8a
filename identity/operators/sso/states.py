"""Who was sent to the OpenID provider, and is expected back: once, soon, and in the same browser.

State, nonce and verifier are 256 random bits each. The browser holds a token of its own in a cookie,
and none of them: what came to it by the provider proves nothing in another browser.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import rows
from identity.core.sealing import Vault
from identity.operators import models as operators
from identity.operators.sessions import PROOF_LASTS

from .models import Purpose, SsoState
from .provider import Client, Provider

LIFETIME: Final = timedelta(minutes=10)
MAX_FORM: Final = 100_000  # characters of a form that is kept meanwhile


@dataclass(frozen=True)
class Kept:
    """What is needed when they come back. It is stored sealed."""

    verifier: str = ""  # of PKCE, RFC 7636
    then: str = ""  # the path to go to, or that of the form
    form: Sequence[tuple[str, str]] = field(default_factory=list)
    id_token: str = ""  # of who signs out
    state: str = ""  # of who signs out


@dataclass(frozen=True)
class Returned:
    """Somebody who came back."""

    purpose: Purpose
    nonce: str
    language: str
    session_id: uuid.UUID | None
    made_at: datetime
    kept: Kept


@dataclass(frozen=True)
class Sent:
    """Who is sent to the provider. `browser`: the token of the cookie of their browser."""

    browser: str
    purpose: Purpose
    language: str
    session_id: uuid.UUID | None = None


def send(
    session: Session,
    vault: Vault,
    now: datetime,
    *,
    client: Client,
    provider: Provider,
    sent: Sent,
    kept: Kept,
) -> str:
    """The URL at the provider where somebody signs in (OpenID Connect Core 1.0, section 3.1.2.1).

    Only parameters that are needed are sent: ProConnect refuses all it does not know.
    """
    state, nonce = operators.new_token(), operators.new_token()
    verifier = operators.new_token() if client.uses_pkce else ""
    kept = Kept(verifier, kept.then, kept.form)
    _add(session, vault, now, sent, kept, state=state, nonce=nonce)
    further: dict[str, str] = {"nonce": nonce}
    if verifier:
        further["code_challenge"] = create_s256_code_challenge(verifier)
        further["code_challenge_method"] = "S256"
    if provider.takes_claims:
        further["claims"] = _claims(client)
    elif client.acr:
        further["acr_values"] = " ".join(client.acr)
    if sent.purpose is Purpose.AGAIN:
        further["prompt"] = "login"
        if not provider.takes_claims:  # else `auth_time` is asked for by name
            further["max_age"] = str(int(PROOF_LASTS.total_seconds()))
    url: str = prepare_grant_uri(
        provider.authorize_url,
        client.client_id,
        "code",
        redirect_uri=client.back_url,
        scope=list(client.scopes),
        state=state,
        **further,
    )
    return url


def prepare_sign_out(
    session: Session, vault: Vault, now: datetime, sent: Sent, id_token: str
) -> None:
    """Somebody signed out here, and may want to sign out at the provider, too."""
    state = operators.new_token()
    _add(session, vault, now, sent, Kept(id_token=id_token, state=state), state=state, nonce="")


def sign_out_url(
    session: Session,
    vault: Vault,
    now: datetime,
    *,
    client: Client,
    provider: Provider,
    browser: str,
) -> str | None:
    """The URL where the one who just signed out here signs out at the provider; None without one.

    OpenID Connect RP-Initiated Logout 1.0.
    """
    row = session.scalar(
        select(SsoState)
        .where(
            SsoState.browser_hash == operators.hash_of(browser),
            SsoState.purpose == Purpose.SIGN_OUT,
            SsoState.used_at.is_(None),
            SsoState.ends_at > now,
        )
        .order_by(SsoState.made_at.desc())
        .limit(1)
    )
    if row is None or provider.sign_out_url is None:
        return None
    kept = _open(vault, row.sealed)
    asked = [
        ("id_token_hint", kept.id_token),
        ("post_logout_redirect_uri", client.left_url),
        ("state", kept.state),
    ]
    url: str = add_params_to_uri(provider.sign_out_url, asked)
    return url


def find_kept(
    session: Session, vault: Vault, now: datetime, browser: str, session_id: uuid.UUID
) -> Kept | None:
    """The form that was kept while this session's second factor was asked; None without one."""
    row = session.scalar(
        select(SsoState)
        .where(
            SsoState.browser_hash == operators.hash_of(browser),
            SsoState.session_id == session_id,
            SsoState.purpose == Purpose.AGAIN,
            SsoState.used_at > now - PROOF_LASTS,
        )
        .order_by(SsoState.used_at.desc())
        .limit(1)
    )
    return _open(vault, row.sealed) if row is not None else None


def use(
    session: Session, vault: Vault, now: datetime, *, state: str, browser: str
) -> Returned | None:
    """Who comes back with this state, in this browser. Of several that do so at once, one is let in.

    None: nobody was sent with it, it was another browser, it is too late, or they came back before.
    """
    row = SsoState
    own = (row.state_hash == operators.hash_of(state), row.used_at.is_(None), row.ends_at > now)
    is_same_browser = row.browser_hash == operators.hash_of(browser)
    if not rows.update(session, row, *own, is_same_browser, used_at=now):
        return None
    found = session.scalars(select(row).where(row.state_hash == operators.hash_of(state))).one()
    return Returned(
        Purpose(found.purpose),
        found.nonce,
        found.language,
        found.session_id,
        found.made_at,
        _open(vault, found.sealed),
    )


def _claims(client: Client) -> str:
    """Which claims of the ID token we wish for (section 5.5): how and when somebody signed in."""
    wanted: dict[str, object] = {"amr": {"essential": True}, "auth_time": {"essential": True}}
    if client.acr:
        wanted["acr"] = {"values": list(client.acr)}
    return json.dumps({"id_token": wanted}, separators=(",", ":"))


def _add(
    session: Session,
    vault: Vault,
    now: datetime,
    sent: Sent,
    kept: Kept,
    *,
    state: str,
    nonce: str,
) -> None:
    session.add(
        SsoState(
            state_hash=operators.hash_of(state),
            browser_hash=operators.hash_of(sent.browser),
            purpose=sent.purpose,
            nonce=nonce,
            sealed=vault.seal(json.dumps(asdict(kept))),
            language=sent.language,
            session_id=sent.session_id,
            made_at=now,
            ends_at=now + LIFETIME,
        )
    )
    session.flush()


def _open(vault: Vault, sealed: str) -> Kept:
    found = json.loads(vault.open(sealed).get_secret_value())
    return Kept(**{**found, "form": [(name, value) for name, value in found["form"]]})
