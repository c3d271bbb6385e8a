"""/admin: what waits for this operator, and how things stand."""

from flask import Response

from identity.operators.roles import Deed

from .frame import screen, show


@screen("/", Deed.SEE_SELF)
def home() -> Response:
    """What this operator can settle, and nothing else."""
    return show("home")
