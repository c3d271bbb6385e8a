"""/my-server: the page that tells which homeserver a domain belongs to."""

from typing import Any

from flask import Response, request

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from domain_rules.display import display_domain
from domain_rules.rule import AccountClass, Rule
from identity.homeservers import models as homeservers
from identity.homeservers.clients import client_link
from identity.web.rendering import Fault, go_to, render_page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import chosen_language, text

MAX_NAMED = 5  # former servers


@blueprint.get("/mon-serveur")
def mon_serveur() -> Response:
    """Redirect from the French name of the page."""
    return go_to("my_server", lang=chosen_language(), q=request.args.get("q"))


@blueprint.get("/my-server")
def my_server() -> Response:
    """The form, and below it what the rules say of the domain in `q`."""
    typed = request.args.get("q", "")
    if not typed.strip():
        return render_page("my_server", q="", domain=None)
    try:
        domain = _domain(typed)
    except InvalidAddress:
        return _unreadable(typed)
    rule = services.rules.current().rule_of_domain(domain)
    return render_page(
        "my_server", q=display_domain(domain), domain=display_domain(domain), **_facts(rule)
    )


@blueprint.post("/my-server")
def ask_my_server() -> Response:
    """Redirect to the page of the domain: the local part must not appear in a URL or a log."""
    typed = request.form.get("q", "")
    try:
        domain = _domain(typed)
    except InvalidAddress:
        return _unreadable(typed)
    return go_to("my_server", q=display_domain(domain))


def _domain(typed: str) -> str:
    return parse_domain(typed.rpartition("@")[2])


def _unreadable(typed: str) -> Response:
    return render_page("my_server", faults=[Fault("q", text("server.fault"))], q=typed, domain=None)


def _facts(rule: Rule | None) -> dict[str, Any]:
    """Sibling, homeserver and former homeservers of an agents' domain; {} for any other."""
    if rule is None or (rule.sibling_of is None and rule.account_class is not AccountClass.AGENT):
        return {}
    if rule.sibling_of:
        return {"sibling": display_domain(rule.sibling_of), "organisation": rule.organisation}
    former = rule.former_homeservers(services.now())[:MAX_NAMED]
    with services.database.reading() as session:
        here = homeservers.find(session, rule.homeserver or "")
        before = [found.label for name in former if (found := homeservers.find(session, name))]
    return {
        "server": here,
        "organisation": rule.organisation,
        "before": before,
        "until": rule.moving_until,
        "client_url": client_link(here, services.settings),
    }
