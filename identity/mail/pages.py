"""/dev/mail: shows the mails of a development service that has no relay."""

from dataclasses import asdict
from datetime import datetime

from flask import Response, abort, jsonify, make_response, request

from identity.networks import has_passed_a_proxy, read_host_name
from identity.settings import is_loopback
from identity.web.page_headers import MAIL_POLICY
from identity.web.rendering import render_page
from identity.web.request_context import services
from identity.web.site import blueprint

from .folder import StoredMail, read_folder

DIRECT_VISITS = {"none", "same-origin"}  # values of Sec-Fetch-Site


@blueprint.get("/dev/mail")
def dev_mails() -> Response:
    """Every mail, newest first."""
    return render_page("dev_mails", mails=[(mail, _moment(mail)) for mail in _mails()])


@blueprint.get("/dev/mail.json")
def dev_mails_json() -> Response:
    """The same as JSON."""
    response = jsonify([asdict(mail) for mail in _mails()])
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/dev/mail/<mail_id>")
def dev_mail(mail_id: str) -> Response:
    """The text of one mail, with links to follow."""
    found = _find(mail_id)
    return render_page("dev_mail", mail=found, moment=_moment(found))


@blueprint.get("/dev/mail/<mail_id>/html")
def dev_mail_html(mail_id: str) -> Response:
    """The HTML of one mail, under a content security policy that allows nothing but its style."""
    response = make_response(_find(mail_id).html or "")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    return response


def _find(mail_id: str) -> StoredMail:
    return next((mail for mail in _mails() if mail.id == mail_id), None) or abort(404)


def _mails() -> list[StoredMail]:
    if services.settings.smtp_url or not services.settings.is_local or not _is_local_request():
        abort(404)
    return read_folder(services.settings.mail_dir)


def _is_local_request() -> bool:
    """Whether a browser on this machine asks, under a name of this machine, without a proxy.

    The Host header alone proves nothing, since the client writes it. Pages of other sites that are
    open in the same browser must not ask either: a visit has no Origin header and begins in the
    address bar or on a page of ours. Other programs send neither header.
    """
    return (
        "Origin" not in request.headers
        and request.headers.get("Sec-Fetch-Site", "none") in DIRECT_VISITS
        and is_loopback(request.remote_addr)
        and is_loopback(read_host_name(request.headers.get("Host")))
        and not has_passed_a_proxy(name for name, _ in request.headers)
    )


def _moment(mail: StoredMail) -> datetime:
    return datetime.fromisoformat(mail.date)
