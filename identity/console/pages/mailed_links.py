"""Leads from the short links of mails to operators to the screens of the console."""

from typing import Final

from flask import Response

from identity.core.tokens import Purpose
from identity.web.request_context import services

from .frame import go_to

SCREENS: Final[tuple[tuple[Purpose, str], ...]] = (
    ("operators", "mailed"),
    ("operator_invite", "invited"),
)
"""What a link was signed for, and the screen that it opens."""


def lead_to_console(token: str) -> Response | None:
    """The way to the screen of a mailed link; None if it is about something else."""
    for purpose, endpoint in SCREENS:
        if services.tokens.read_link(token, purpose) is not None:
            return go_to(endpoint, token=token)
    return None
