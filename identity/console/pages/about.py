"""/admin/about: which version this is, what it is set to, and what it does not do yet."""

from typing import Final

from flask import Response

from identity import migrations
from identity.core.code_version import code_version
from identity.operators.roles import Deed
from identity.rule_changes import approvals
from identity.web.request_context import services

from .frame import screen
from .things import show_thing

NOT_YET: Final = ("exports",)
"""What people may look for here and not find; the texts say what does it meanwhile."""


@screen("/about", Deed.SEE_SELF)
def about() -> Response:
    """What one says when one asks for help."""
    settings = services.settings
    with services.database.reading() as session:
        needs_two = approvals.needs_two(session, settings)
    return show_thing(
        "about",
        version=code_version(),
        schema=migrations.newest_revision(),
        revision=services.rules.current().revision,
        needs_two=needs_two,
        provider=settings.sso_name if settings.sso_issuer else None,
        not_yet=NOT_YET,
    )
