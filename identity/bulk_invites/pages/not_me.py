"""/n/<token>: “it was not me”, in the mail that a code signed in to bulk invites.

It needs the code, and ends every session for bulk invites.
"""

from flask import Response, request

from identity.bulk_invites import sign_in, sign_in_models
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.one_time_codes.service import Result
from identity.web.code_form import code_faults, unfinished_code
from identity.web.rendering import Fault, render_page
from identity.web.request_context import services
from identity.web.wording import text


def show(token: str) -> Response | None:
    """What it does, and a field for the code. Viewing it changes nothing.

    Returns None if the link is about something else.
    """
    return _page(token) if _used(token) else None


def end_sessions(token: str) -> Response | None:
    """End all sessions with the code of the mail, in every browser. None as for `show`."""
    used = _used(token)
    if used is None:
        return None
    if faults := unfinished_code():
        return _page(token, faults)
    with services.database.transaction() as session:
        answered = sign_in.sign_out_everywhere(
            session, services.tokens, services.now(), used, request.form["code"]
        )
    if answered.result is Result.RIGHT:
        return _page(token, done=True)
    if answered.result is Result.OVER:
        return _page(token, [Fault("code", text("lists.code.over"))])
    return _page(token, code_faults(answered, held=True))


def _used(token: str) -> BulkInviteSignIn | None:
    sign_in_id = services.tokens.read_link(token, "not_me")
    with services.database.reading() as session:
        return sign_in_models.find(session, sign_in_id) if sign_in_id else None


def _page(token: str, faults: list[Fault] | None = None, *, done: bool = False) -> Response:
    return render_page("lists_not_me", faults=faults or (), token=token, done=done)
