"""The map of what programs may ask."""

from flask import Flask

from . import errors, headers, health, routing
from .sessions import SessionsOfPeople

BLUEPRINTS = (
    routing.everybody,  # /_matrix/identity/api/v1: ping, /info
    routing.homeservers,  # /_matrix/identity/api/v1/internal-info
    health.blueprint,  # /healthz, /readyz
)


def register(app: Flask) -> None:
    """Both listeners have the same map; the guards know which one they stand at."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.session_interface = SessionsOfPeople()
    errors.register(app)
    headers.register(app)
