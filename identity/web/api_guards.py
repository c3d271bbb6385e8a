"""Who may come in: anyone, or homeservers."""

from flask import current_app, g, request

from domain_rules.user_ids import is_of_homeserver
from identity.homeservers import credentials
from identity.network_settings import SOCKET
from identity.networks import is_in
from identity.problems import CredentialNeeded, NotAllowed

from .request_context import services


def anyone() -> None:
    """Nothing is asked of the caller; the blueprint says so where a reader looks for it."""


def homeserver() -> None:
    """A homeserver of the federation: by its credential, or by where it calls from on the internal listener.

    Who shows a credential is judged by it, on both listeners: a wrong one is never overlooked.
    """
    if bearer_token() is not None:
        if calling_homeserver() is None:
            raise CredentialNeeded("This credential is not known, or no longer good.")
    elif current_app.config["LISTENER"] == "internal":
        _check_nearness()
    else:
        raise CredentialNeeded


def module_in_homeserver() -> None:
    """Our module in a homeserver, by that homeserver's credential: on the internal listener as well."""
    name = calling_homeserver()
    if name is None:
        raise CredentialNeeded
    g.homeserver = name


def homeserver_of_module() -> str:
    """Which homeserver asks, behind the guard above."""
    name: str = g.homeserver
    return name


def own_user(user_id: str) -> str:
    """The user ID itself, if it is one of the homeserver that asks, behind the guard above. Raises NotAllowed."""
    if not is_of_homeserver(user_id, homeserver_of_module()):
        raise NotAllowed("This user ID belongs to another homeserver.")
    return user_id


def calling_homeserver() -> str | None:
    """The name of the homeserver whose credential the caller shows; a credential speaks for no other."""
    token = bearer_token()
    if token is None:
        return None
    with services.database.reading() as session:
        return credentials.homeserver_of(session, token, services.now())


def _check_nearness() -> None:
    """By the connection itself: nothing that a header says counts here (see internal_gate)."""
    peer, settings = request.remote_addr or "", services.settings
    # Who may connect to a Unix socket is decided by its mode.
    if settings.internal_listen.startswith(SOCKET) and not peer:
        return
    if not is_in(peer, settings.internal_networks):
        raise CredentialNeeded("A homeserver credential is needed from this network.")


def bearer_token() -> str | None:
    """What the Authorization header says, if it is a bearer token."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
