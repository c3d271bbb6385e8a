"""/admin/revisions: every publication of rules, and what each changed."""

from http import HTTPStatus

from flask import Response, abort, request, url_for

from identity.operators.roles import Deed
from identity.routing.models import EMPTY, RuleRevision
from identity.routing.views import readable_pattern
from identity.rule_changes import rule_search
from identity.web.request_context import services

from .frame import screen, show
from .operator_session import operator


@screen("/revisions", Deed.SEE)
def revisions() -> Response:
    """The revisions, newest first."""
    with services.database.reading() as session:
        found = rule_search.find_revisions(session, after=request.args.get("after"))
        numbers = [each.number for each in found.items]
        changed_by = rule_search.find_changes_of(session, numbers)
    following = found.following and url_for("console.revisions", after=found.following)
    return show("revisions", revisions=found.items, changed_by=changed_by, following=following)


@screen("/revisions/<int:number>", Deed.SEE)
def revision(number: int) -> Response:
    """One revision, and what it changed of the one before."""
    with services.database.reading() as session:
        found = session.get(RuleRevision, number)
        if found is None or number == EMPTY:
            abort(HTTPStatus.NOT_FOUND)
        lines = rule_search.find_lines_of(session, number, scope=operator().scope)
        changed_by = rule_search.find_changes_of(session, [number]).get(number)
    return show(
        "revision",
        revision=found,
        lines=lines,
        changed_by=changed_by,
        most=rule_search.SHOWN,
        readable=readable_pattern,
        masked=not operator().may(Deed.DRAFT),
    )
