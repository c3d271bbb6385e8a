"""Renders the pages from templates, with texts in the right language and faults in forms."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, make_response, redirect, render_template, request, url_for

from domain_rules.mailboxes import address_of
from identity.homeservers.clients import client_link
from identity.translations import LANGUAGES

from . import csrf
from .page_headers import fingerprint
from .request_context import services
from .wording import clock, counted, date, day, language, same_page_in, text


@dataclass(frozen=True)
class Fault:
    """What to correct in one field of a form, as a sentence for the reader."""

    field: str
    text: str


def render_page(
    name: str,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    faults: Sequence[Fault] = (),
    **values: Any,
) -> Response:
    """Render `templates/pages/<name>.html`.

    Faults are shown in the title, in a summary and at the field; the status is 400 then.
    """
    if faults:
        status = HTTPStatus.BAD_REQUEST
    values = {"client_url": client_link(None, services.settings)} | {
        key: value for key, value in values.items() if key != "client_url" or value
    }
    return make_response(render_template(f"pages/{name}.html", **context(faults), **values), status)


def context(faults: Sequence[Fault]) -> dict[str, Any]:
    """What every template is given: texts, dates, languages, forms and their faults."""
    return {
        "t": text,
        "tn": counted,
        "clock": clock,
        "date": date,
        "day": day,
        "language": language(),
        "switch": [(other, same_page_in(other)) for other in LANGUAGES],
        "service": services.settings.service_name,
        "support_url": services.settings.support_url,
        "sender": address_of(services.settings.mail_from),
        "csrf_token": csrf.make_token,
        "style_version": fingerprint(current_app.blueprints["pages"]),
        "typed": lambda field: request.form.get(field, ""),
        "faults": list(faults),
        "fault_of": {fault.field: fault.text for fault in faults},
    }


def go_to(endpoint: str, /, **values: Any) -> Response:
    """Redirect to a page after a POST (303), so that reloading the page repeats nothing.

    Name each of `values` explicitly, never pass a query on: `_external` and the like would redirect
    to the host of the Host header.
    """
    return make_response(redirect(url_for(f"pages.{endpoint}", **values), HTTPStatus.SEE_OTHER))
