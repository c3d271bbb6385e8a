"""/admin/search: one box for everything. It is a POST, so that nobody's address stands in a URL."""

from flask import Response, request

from identity.console import finding
from identity.console.finding import Kind
from identity.operators.roles import Deed
from identity.web.request_context import services

from .frame import form, go_to, screen, show
from .operator_session import operator
from .places import go_to_path, in_language, is_there

MAX_TYPED = 500  # characters


@screen("/search", Deed.SEE)
def search_again() -> Response:
    """Where a reload of the result leads: the box is on every screen."""
    return go_to("home")


@form("/search", Deed.SEE)
def search() -> Response:
    """Go on to what was meant, or ask what is to be done, or say what may be typed."""
    typed = request.form.get("q", "").strip()[:MAX_TYPED]
    with services.database.reading() as database:
        found = finding.find(database, typed, operator().scope)
    if found.kind is Kind.SCREEN and is_there(found.path):
        return go_to_path(found.path)
    listed = [
        (each, in_language(each.path) if is_there(each.path) else None) for each in found.listed
    ]
    return show(
        "search",
        typed_name=typed,
        is_person=found.kind is Kind.PERSON,
        is_address="@" in typed[1:],
        test=in_language("/admin/test") if is_there("/admin/test") else None,
        listed=listed,
    )
