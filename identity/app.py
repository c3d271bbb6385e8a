"""The Flask application: `create_app(services)` registers the APIs and pages of all stories."""

from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

from flask import Flask, Request
from jinja2 import FileSystemLoader
from werkzeug.exceptions import NotFound
from werkzeug.routing import IntegerConverter, MapAdapter

from identity.registration.pages import account as account_page

from . import mailed_links
from .binding.api import bind, internal as internal_binding
from .bulk_invites import api as bulk_invites_api
from .bulk_invites.pages import (
    bulk_invites as bulk_invites_page,
    sessions as bulk_invites_sessions,
    sign_in as bulk_invites_sign_in,
)
from .console.api import routes as admin_api
from .console.pages import (
    about as console_about,
    access as console_access,
    access_tokens as console_access_tokens,
    change_edit as console_change_edit,
    change_steps as console_change_steps,
    changes as console_changes,
    domain_stops as console_domain_stops,
    domains as console_domains,
    enrolment as console_enrolment,
    frame as console_frame,
    health as console_health,
    home as console_home,
    homeservers as console_homeservers,
    incidents as console_incidents,
    invitations as console_invitations,
    journal as console_journal,
    kept as console_kept,
    mails as console_mails,
    me as console_me,
    passkeys as console_passkeys,
    people as console_people,
    person_deeds as console_person_deeds,
    requests as console_requests,
    revisions as console_revisions,
    rule_files as console_rule_files,
    search as console_search,
    settings as console_settings,
    sign_in as console_sign_in,
    sso as console_sso,
    testing as console_testing,
)
from .core import templates
from .core.node_epoch import ShortMemory
from .domain_requests.pages import my_domain, status as my_domain_status
from .health import api as health
from .invitations.api import check as invitation_check, inviters, pubkeys, sign, store_invite
from .invitations.pages import invitation, opt_out
from .mail import pages as dev_mail
from .routing import api as routing, pages as my_server
from .services import Services
from .sign_up.pages import check as code_page, start
from .synapse_api.api import module, predecessors, registration
from .threepids import pages as client_link
from .threepids.api import accounts, lookup, terms, validation, versions
from .threepids.callers import Caller
from .web import (
    api_errors,
    api_headers,
    guards,
    information,
    internal_gate,
    matrix_guards,
    request_record,
    site,
    unknown_paths,
)
from .web.answers import Answer, Json
from .web.known_credentials import KnownCredentials
from .web.no_sessions import SessionsOfPeople
from .web.request_context import EXTENSION

OF_THE_CONSOLE = ("/admin", "/api/admin/")
MAX_NUMBER = 2**31 - 1  # of a number in a path: the maximum of a database column
MAX_DIGITS = 20  # with zeros in front; int() itself fails at thousands
MAX_BODY = 1_000_000  # bytes of a request

APIS = (
    routing.everybody,  # /_matrix/identity/api/v1: ping, /info
    routing.homeservers,  # /_matrix/identity/api/v1/internal-info
    internal_binding.blueprint,  # /_matrix/identity/internal: bind, unbind
    module.blueprint,  # /api/homeserver/v1: for our modules in homeservers
    registration.blueprint,  # /api/homeserver/v1/may-register: before an account is made
    predecessors.blueprint,  # /api/homeserver/v1/predecessors: former accounts of an address
    invitation_check.blueprint,  # /api/homeserver/v1/may-invite: before a third-party invitation
    inviters.blueprint,  # /api/homeserver/v1/invitations: for inviters
    bulk_invites_api.blueprint,  # /api/homeserver/v1/lists: bulk invites
    health.blueprint,  # /healthz, /readyz
    # The Matrix Identity Service API, /_matrix/identity/v2
    versions.blueprint,
    *(accounts.strangers, accounts.users, accounts.leaving),
    *(terms.reading, terms.accepting),
    *(lookup.details, lookup.blueprint),
    *(validation.blueprint, validation.phones),
    *(bind.blueprint, bind.unbinding),
    *(pubkeys.blueprint, store_invite.blueprint, sign.blueprint),
)
# Each module adds its pages to the blueprint of web/site.py when it is imported; the last one
# answers unknown paths.
PAGES = (
    *(information, start, code_page, mailed_links, client_link, account_page),
    *(invitation, opt_out, bulk_invites_page, bulk_invites_sessions, bulk_invites_sign_in),
    *(my_domain, my_domain_status, my_server, dev_mail, unknown_paths),
)
# Each module adds its screens to the blueprint of console/pages/frame.py.
SCREENS = (
    console_home,
    console_search,
    console_requests,
    console_domains,
    console_domain_stops,
    console_testing,
    console_revisions,
    console_changes,
    console_change_edit,
    console_change_steps,
    console_rule_files,
    console_people,
    console_person_deeds,
    console_homeservers,
    console_invitations,
    console_mails,
    console_journal,
    console_incidents,
    console_health,
    console_about,
    console_settings,
    console_sign_in,
    console_enrolment,
    console_kept,
    console_me,
    console_passkeys,
    console_access,
    console_access_tokens,
    console_sso,
)


class Site(Flask):
    """The Flask class, which takes its own URLs from the settings and ignores the Host header."""

    jinja_loader = FileSystemLoader(templates.FOLDERS)
    json_provider_class = Json
    response_class = Answer

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Make redirects and absolute URLs begin with the public URL, or with that of the console."""
        if request is None:
            return super().create_url_adapter(request)
        settings = self.extensions[EXTENSION].settings
        is_console = request.path.startswith(OF_THE_CONSOLE)
        own = urlsplit(settings.console_origin if is_console else settings.public_url)
        return MapAdapter(
            self.url_map,
            own.netloc,
            script_name=request.root_path or "/",
            subdomain="",
            url_scheme=own.scheme,
            path_info=request.path,
            default_method=request.method,
            query_args=request.query_string.decode(errors="replace"),
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: nothing here is a coroutine, and asking that costs at each call."""
        return func


class Number(IntegerConverter):
    """A number in a path; one that no column holds is not found (404), by any method."""

    regex = r"[0-9]+"

    def to_python(self, value: str) -> int:
        if len(value) > MAX_DIGITS or int(value) > MAX_NUMBER:
            raise NotFound
        return int(value)


def create_app(services: Services, *, listener: Literal["public", "internal"] = "public") -> Flask:
    """Make the application.

    The internal listener has no pages and answers homeservers in its networks without a credential.
    """
    app = Site("identity", static_folder=None, template_folder=None)
    app.extensions[EXTENSION] = services
    app.extensions[guards.KNOWN] = KnownCredentials()
    app.extensions[matrix_guards.CALLERS] = ShortMemory[Caller](services.database.epoch)
    secret, fallbacks = services.tokens.session_keys()
    at_https = services.settings.public_url.startswith("https://")
    app.config.update(
        LISTENER=listener,
        SECRET_KEY=secret,
        SECRET_KEY_FALLBACKS=fallbacks,
        SESSION_COOKIE_NAME="__Host-session" if at_https else "session",
        SESSION_COOKIE_SECURE=at_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
    )
    app.url_map.merge_slashes = False  # no redirect for double slashes
    app.url_map.converters["int"] = Number
    request_record.register(app)
    _answer_programs(app)
    if listener == "public":
        app.register_blueprint(admin_api.blueprint)
        _answer_people(app)
    return app


def _answer_programs(app: Flask) -> None:
    """Register the APIs. Both listeners have the same ones; the guards know the listener."""
    if app.config["LISTENER"] == "internal":
        app.before_request(internal_gate.check)
        health.register_metrics(app)
    for blueprint in APIS:
        app.register_blueprint(blueprint)
    app.session_interface = SessionsOfPeople()
    api_errors.register(app)
    app.after_request(api_headers.protect)


def _answer_people(app: Flask) -> None:
    """Register the pages, which also answer unknown paths outside the APIs."""
    app.url_map.converters["page_path"] = unknown_paths.PagePath
    app.url_map.converters["mailed"] = unknown_paths.MailedToken
    app.register_blueprint(console_frame.blueprint)
    app.register_blueprint(site.blueprint)
