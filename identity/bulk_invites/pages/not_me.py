"""/n/<token> in the mail that a code opened lists: “it was not me”. It needs the code, and ends every sign-in."""

from flask import Response, request

from identity.bulk_invites import sign_in as list_sign_in
from identity.bulk_invites import sign_in_models as sign_ins
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.one_time_codes.service import Result
from identity.sign_up.pages.check import code_faults, unfinished_code
from identity.web.rendering import Fault, page
from identity.web.request_context import services
from identity.web.wording import text


def show(token: str) -> Response | None:
    """What it does, and a field for the code. Looking changes nothing. None: the link is about something else."""
    return _page(token) if _used(token) else None


def end_sessions(token: str) -> Response | None:
    """The code of the mail ends what was opened with it, in every browser. None as for `show`."""
    used = _used(token)
    if used is None:
        return None
    if faults := unfinished_code():
        return _page(token, faults)
    with services.database.transaction() as session:
        answered = list_sign_in.end_all(
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
        return sign_ins.find(session, sign_in_id) if sign_in_id else None


def _page(token: str, faults: list[Fault] | None = None, *, done: bool = False) -> Response:
    return page("lists_not_me", faults=faults or (), token=token, done=done)
