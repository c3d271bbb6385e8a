"""/admin/settings: what this process is set to, and where each setting comes from; no secret."""

import platform

from flask import Response

from identity import settings_shown
from identity.operators.roles import Deed
from identity.settings_shown import DEFAULT
from identity.web.request_context import services

from .frame import screen, show


@screen("/settings", Deed.SEE_SETTINGS)
def settings() -> Response:
    """The settings in force in this process; those that are defaults stand apart."""
    rows = settings_shown.describe_all(services.settings)
    return show(
        "settings",
        host=platform.node(),
        given=[each for each in rows if each["from"] != DEFAULT],
        defaults=[each for each in rows if each["from"] == DEFAULT],
    )
