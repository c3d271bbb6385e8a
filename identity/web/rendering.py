"""One way to make a page: texts, faults and the frame around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, make_response, redirect, render_template, request, url_for

from domain_rules.mailboxes import address_of
from identity.translations import LANGUAGES

from . import csrf
from .languages import language, same_page_in
from .page_headers import fingerprint
from .request_context import services
from .wording import clock, counted, date, day, text


@dataclass(frozen=True)
class Fault:
    """What is to be put right in one field, in the words of the reader."""

    field: str
    text: str


def page(
    name: str,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    faults: Sequence[Fault] = (),
    **values: Any,
) -> Response:
    """The page `templates/pages/<name>.html`. With faults it says so in title, summary and field."""
    if faults:
        status = HTTPStatus.BAD_REQUEST
    html = render_template(
        f"pages/{name}.html",
        t=text,
        tn=counted,
        clock=clock,
        date=date,
        day=day,
        language=language(),
        switch=[(other, same_page_in(other)) for other in LANGUAGES],
        service=services.settings.service_name,
        client_url=values.pop("client_url", None) or services.settings.client_url,
        support_url=services.settings.support_url,
        sender=address_of(services.settings.mail_from),
        csrf_token=csrf.token,
        style_version=fingerprint(current_app.blueprints["pages"]),
        typed=_typed,
        faults=list(faults),
        fault_of={fault.field: fault.text for fault in faults},
        **values,
    )
    return make_response(html, status)


def _typed(name: str) -> str:
    return request.form.get(name, "")


def go_to(endpoint: str, /, **values: Any) -> Response:
    """After a POST: the browser asks for another page by GET, so that reloading repeats nothing.

    `values` are named by us one by one, never taken over from a query: `_external` and its like
    would send the browser to the host of the Host header.
    """
    return make_response(redirect(url_for(f"pages.{endpoint}", **values), HTTPStatus.SEE_OTHER))
