"""/dev/mail: the mails of a service at home, which go to a folder and not out. Nowhere else."""

from dataclasses import asdict
from datetime import datetime

from flask import Response, abort, jsonify, make_response, request

from identity.networks import has_passed_a_proxy, host_name
from identity.settings import is_loopback
from identity.web.page_headers import MAIL_POLICY
from identity.web.rendering import page
from identity.web.request_context import services
from identity.web.site import blueprint

from .folder import StoredMail, read_folder

A_VISIT = {"none", "same-origin"}  # what browsers say in Sec-Fetch-Site


@blueprint.get("/dev/mail")
def dev_mails() -> Response:
    """Every mail, newest first."""
    return page("dev_mails", mails=[(mail, _moment(mail)) for mail in _mails()])


@blueprint.get("/dev/mail.json")
def dev_mails_json() -> Response:
    """The same, for programs."""
    response = jsonify([asdict(mail) for mail in _mails()])
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/dev/mail/<mail_id>")
def dev_mail(mail_id: str) -> Response:
    """The text of one mail, its links ready to follow."""
    found = _find(mail_id)
    return page("dev_mail", mail=found, moment=_moment(found))


@blueprint.get("/dev/mail/<mail_id>/html")
def dev_mail_html(mail_id: str) -> Response:
    """The HTML of one mail, under its own policy: its style works, nothing else."""
    response = make_response(_find(mail_id).html or "")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    return response


def _find(mail_id: str) -> StoredMail:
    return next((mail for mail in _mails() if mail.id == mail_id), None) or abort(404)


def _mails() -> list[StoredMail]:
    if services.settings.smtp_url or not services.settings.is_at_home or not _is_asked_at_home():
        abort(404)
    return read_folder(services.settings.mail_dir)


def _is_asked_at_home() -> bool:
    """Whether a browser on this very machine asks, under a name of this machine, with nothing in between.

    The Host header alone proves nothing: whoever calls writes it. Nor may a page from elsewhere, open in that
    browser, ask: a visit has no Origin, and begins in the address bar or on a page of ours. Programs say neither.
    """
    return (
        "Origin" not in request.headers
        and request.headers.get("Sec-Fetch-Site", "none") in A_VISIT
        and is_loopback(request.remote_addr)
        and is_loopback(host_name(request.headers.get("Host")))
        and not has_passed_a_proxy(name for name, _ in request.headers)
    )


def _moment(mail: StoredMail) -> datetime:
    return datetime.fromisoformat(mail.date)
