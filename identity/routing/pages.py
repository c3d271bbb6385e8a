"""/my-server: which server a domain belongs to. Whose address it was is neither needed nor kept."""

from typing import Any

from flask import Response, request

from domain_rules.addresses import InvalidAddress, parse_domain
from domain_rules.display import display_domain
from domain_rules.rules import AccountClass, Rule
from identity.homeservers import models as homeservers
from identity.web.languages import chosen
from identity.web.rendering import Fault, go_to, page
from identity.web.request_context import services
from identity.web.site import blueprint
from identity.web.wording import text

MAX_NAMED = 5  # former servers


@blueprint.get("/mon-serveur")
def mon_serveur() -> Response:
    """The French name of the page."""
    return go_to("my_server", lang=chosen(), q=request.args.get("q"))


@blueprint.get("/my-server")
def my_server() -> Response:
    """The field, and below it what is known of the domain in `q`."""
    typed = request.args.get("q", "")
    if not typed.strip():
        return page("my_server", q="", domain=None)
    try:
        domain = _domain(typed)
    except InvalidAddress:
        return _unreadable(typed)
    rule = services.rules.current().rule_of_domain(domain)
    return page(
        "my_server", q=display_domain(domain), domain=display_domain(domain), **_facts(rule)
    )


@blueprint.post("/my-server")
def ask_my_server() -> Response:
    """Only the domain goes into the URL: what stands before the @ stays out of every log."""
    typed = request.form.get("q", "")
    try:
        domain = _domain(typed)
    except InvalidAddress:
        return _unreadable(typed)
    return go_to("my_server", q=display_domain(domain))


def _domain(typed: str) -> str:
    return parse_domain(typed.rpartition("@")[2])


def _unreadable(typed: str) -> Response:
    return page("my_server", faults=[Fault("q", text("server.fault"))], q=typed, domain=None)


def _facts(rule: Rule | None) -> dict[str, Any]:
    """Sibling, server and former servers of an agents' domain; nothing for any other."""
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
        "client_url": here.client_url if here else None,
    }
