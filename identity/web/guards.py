"""Guards of blueprints (for `before_request`): who may call them, anyone or homeservers."""

from flask import current_app, g, request

from domain_rules.user_ids import is_of_homeserver
from identity.core.database_faults import AWAY
from identity.homeservers import credentials, models as homeservers, standing
from identity.network_settings import SOCKET
from identity.networks import is_in
from identity.problems import CredentialNeeded, NotAllowed

from .known_credentials import KnownCredentials
from .request_context import services

KNOWN = "guichet_known_credentials"  # among the extensions of the application


def anyone() -> None:
    """Everybody may call this blueprint; registering this guard makes that explicit."""


def homeserver() -> None:
    """A homeserver, by its credential, or on the internal listener by its network.

    If there is a credential it must be valid, on both listeners. Raises CredentialNeeded,
    HomeserverSuspended.
    """
    if bearer_token() is not None:
        if calling_homeserver() is None:
            raise CredentialNeeded("This credential is not known, or no longer good.")
    elif current_app.config["LISTENER"] == "internal":
        _check_nearness()
    else:
        raise CredentialNeeded


def module_in_homeserver() -> None:
    """Our module in a homeserver, always by the homeserver's credential.

    Raises CredentialNeeded, HomeserverSuspended.
    """
    name = calling_homeserver()
    if name is None:
        raise CredentialNeeded
    g.homeserver = name


def homeserver_of_module() -> str:
    """The homeserver that calls, behind `module_in_homeserver`."""
    name: str = g.homeserver
    return name


def own_user(user_id: str) -> str:
    """The user ID, if it belongs to the homeserver that calls (behind `module_in_homeserver`).

    Raises NotAllowed.
    """
    if not is_of_homeserver(user_id, homeserver_of_module()):
        raise NotAllowed("This user ID belongs to another homeserver.")
    return user_id


def calling_homeserver() -> str | None:
    """The name of the homeserver whose valid credential the request has, or None.

    While the database is away, one that was good lately counts. Raises SQLAlchemyError for others,
    and HomeserverSuspended.
    """
    token = bearer_token()
    if token is None:
        return None
    known: KnownCredentials = current_app.extensions[KNOWN]
    try:
        with services.database.reading() as session:
            name = credentials.homeserver_of(session, token, services.now())
            found = homeservers.find(session, name) if name else None
    except AWAY:
        name = known.find(token)
        if name is None:
            raise
        g.named_homeserver = name
        return name
    g.named_homeserver = name  # for the line in the log
    is_suspended = found is not None and found.suspended_at is not None
    known.record(token, None if is_suspended else name)
    standing.check_not_suspended(found)
    return name


def _check_nearness() -> None:
    """Check the address of the connection itself; headers do not count (see internal_gate)."""
    peer, settings = request.remote_addr or "", services.settings
    # The file mode of a Unix socket decides who may connect to it.
    if settings.internal_listen.startswith(SOCKET) and not peer:
        return
    if not is_in(peer, settings.internal_networks):
        raise CredentialNeeded("A homeserver credential is needed from this network.")


def bearer_token() -> str | None:
    """The bearer token in the Authorization header, or None."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
