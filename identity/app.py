"""create_app(services): what every story answers on the web, gathered; nothing else."""

from typing import Literal
from urllib.parse import urlsplit

from flask import Flask, Request
from jinja2 import FileSystemLoader
from werkzeug.routing import IntegerConverter, Map, MapAdapter

from identity.registration.pages import account as account_page

from . import mailed_links
from .binding.api import bind
from .binding.api import internal as internal_binding
from .bulk_invites import api as bulk_invites_api
from .bulk_invites.pages import bulk_invites as bulk_invites_page
from .bulk_invites.pages import sessions as bulk_invites_sessions
from .bulk_invites.pages import sign_in as bulk_invites_sign_in
from .core import templates
from .health import api as health
from .invitations.api import check as invitation_check
from .invitations.api import inviters, pubkeys, sign, store_invite
from .invitations.pages import invitation, opt_out
from .mail import pages as dev_mail
from .routing import api as routing
from .routing import pages as my_server
from .services import Services
from .sign_up.pages import check as code_page
from .sign_up.pages import start
from .synapse_api.api import module, predecessors, registration
from .threepids import pages as client_link
from .threepids.api import accounts, lookup, terms, validation, versions
from .web import api_errors, api_headers, information, internal_gate, site, unknown_paths
from .web.no_sessions import SessionsOfPeople
from .web.request_context import EXTENSION

MAX_NUMBER = 2**31 - 1  # in a path: what a column of the database holds
MAX_BODY = 1_000_000  # bytes of a request

APIS = (
    routing.everybody,  # /_matrix/identity/api/v1: ping, /info
    routing.homeservers,  # /_matrix/identity/api/v1/internal-info
    internal_binding.blueprint,  # /_matrix/identity/internal: bind, unbind
    module.blueprint,  # /api/homeserver/v1: what our modules in homeservers ask and report
    registration.blueprint,  # /api/homeserver/v1/may-register: the door of a homeserver
    predecessors.blueprint,  # /api/homeserver/v1/predecessors: seats in conversations of two
    invitation_check.blueprint,  # /api/homeserver/v1/may-invite: before an invitation by mail
    inviters.blueprint,  # /api/homeserver/v1/invitations: for those who invited
    bulk_invites_api.blueprint,  # /api/homeserver/v1/lists: many at once
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
# Each adds its pages to the one blueprint of web/site.py when it is imported; the last answers what nobody knows.
PAGES = (
    *(information, start, code_page, mailed_links, client_link, account_page),
    *(invitation, opt_out, bulk_invites_page, bulk_invites_sessions, bulk_invites_sign_in),
    *(my_server, dev_mail, unknown_paths),
)


class Site(Flask):
    """Knows its own address from the settings, whatever the Host header of a request says."""

    jinja_loader = FileSystemLoader(templates.FOLDERS)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Redirections and absolute URLs of the framework begin with the public URL."""
        adapter = super().create_url_adapter(request)
        if request is not None and adapter is not None:
            own = urlsplit(self.extensions[EXTENSION].settings.public_url)
            adapter.url_scheme, adapter.server_name = own.scheme, own.netloc
            adapter.path_info = adapter.path_info or "/"
        return adapter


class Number(IntegerConverter):
    """A number in a path; a longer one leads nowhere."""

    def __init__(self, urls: Map) -> None:
        super().__init__(urls, max=MAX_NUMBER)


def create_app(services: Services, *, listener: Literal["public", "internal"] = "public") -> Flask:
    """The web application. The internal listener answers homeservers without a credential, and has no pages."""
    app = Site("identity", static_folder=None, template_folder=None)
    app.extensions[EXTENSION] = services
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
    app.url_map.merge_slashes = False  # no redirection for a slash too many
    app.url_map.converters["int"] = Number
    _answer_programs(app)
    if listener == "public":
        _answer_people(app)
    return app


def _answer_programs(app: Flask) -> None:
    """Both listeners have the same map; the guards know which one they stand at."""
    if app.config["LISTENER"] == "internal":
        internal_gate.register(app)
    for blueprint in APIS:
        app.register_blueprint(blueprint)
    app.session_interface = SessionsOfPeople()
    api_errors.register(app)
    api_headers.register(app)


def _answer_people(app: Flask) -> None:
    """The pages; they also answer every path that nobody else knows and no program would ask for."""
    app.url_map.converters["page_path"] = unknown_paths.PagePath
    app.url_map.converters["mailed"] = unknown_paths.MailedToken
    app.register_blueprint(site.blueprint)
