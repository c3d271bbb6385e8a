"""The map of what programs may ask."""

from flask import Flask

from . import errors, headers, health, internal_binding, routing, v2
from .sessions import SessionsOfPeople

BLUEPRINTS = (
    routing.everybody,  # /_matrix/identity/api/v1: ping, /info
    routing.homeservers,  # /_matrix/identity/api/v1/internal-info
    internal_binding.blueprint,  # /_matrix/identity/internal: bind, unbind
    health.blueprint,  # /healthz, /readyz
    *v2.blueprints(),  # /_matrix/identity/v2…
)


def register(app: Flask) -> None:
    """Both listeners have the same map; the guards know which one they stand at."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.session_interface = SessionsOfPeople()
    errors.register(app)
    headers.register(app)
