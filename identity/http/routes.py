"""The map of what programs may ask."""

from flask import Flask

from . import (
    errors,
    headers,
    health,
    homeserver,
    internal_binding,
    internal_gate,
    invitation_check,
    invitations,
    lists,
    registration,
    routing,
    successions,
    v2,
)
from .sessions import SessionsOfPeople

BLUEPRINTS = (
    routing.everybody,  # /_matrix/identity/api/v1: ping, /info
    routing.homeservers,  # /_matrix/identity/api/v1/internal-info
    internal_binding.blueprint,  # /_matrix/identity/internal: bind, unbind
    homeserver.blueprint,  # /api/homeserver/v1: what our modules in homeservers ask and report
    registration.blueprint,  # /api/homeserver/v1/may-register: the door of a homeserver
    successions.blueprint,  # /api/homeserver/v1/predecessors: seats in conversations of two
    invitation_check.blueprint,  # /api/homeserver/v1/may-invite: before an invitation by mail
    invitations.blueprint,  # /api/homeserver/v1/invitations: for those who invited
    lists.blueprint,  # /api/homeserver/v1/lists: many at once
    health.blueprint,  # /healthz, /readyz
    *v2.blueprints(),  # /_matrix/identity/v2…
)


def register(app: Flask) -> None:
    """Both listeners have the same map; the guards know which one they stand at."""
    if app.config["LISTENER"] == "internal":
        internal_gate.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.session_interface = SessionsOfPeople()
    errors.register(app)
    headers.register(app)
