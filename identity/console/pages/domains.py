"""/admin/domains: the rules in force, and everything about one domain, also about one without a rule."""

from datetime import UTC, date, datetime, time
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, abort, request

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from domain_rules.display import display_domain
from domain_rules.rule import AccountClass, RuleKind
from identity.domain_requests import whole_domain
from identity.homeservers import models as homeservers
from identity.operators.roles import Deed
from identity.routing.models import StoredRule
from identity.routing.views import readable_pattern
from identity.rule_changes import domain_scopes, rule_search
from identity.rule_changes.rule_search import Wanted
from identity.web.request_context import services
from identity.web.wording import text

from .frame import go_to, screen, show
from .operator_session import operator
from .things import show_thing

FILTERS = ("prefix", "kind", "account_class", "homeserver", "organisation", "changed_since")
MAX_TYPED = 253  # characters of one field


@screen("/domains", Deed.SEE)
def domains() -> Response:
    """The rules in force, a page at a time. What stands before an @ leaves the URL at once."""
    typed = {name: request.args.get(name, "").strip()[:MAX_TYPED] for name in FILTERS}
    if typed["prefix"].find("@") > 0:
        typed["prefix"] = typed["prefix"].rpartition("@")[2]
        return go_to("domains", **typed)
    texts: dict[str, Any] = {**typed, "changed_since": _day(typed["changed_since"])}
    wanted = Wanted(**texts)
    with services.database.reading() as session:
        found = rule_search.find_rules(
            session, wanted, scope=operator().scope, after=request.args.get("after")
        )
        servers = [each.name for each in homeservers.find_all(session)]
    asked = {name: value for name, value in typed.items() if value}
    return show(
        "domains",
        rules=[_row(rule) for rule in found.items],
        typed_filters=typed,
        asked=asked,
        servers=[(name, name) for name in servers],
        kinds=[(kind, text(f"console.rules.kind.{kind}")) for kind in RuleKind],
        classes=[(each, text(f"console.rules.class.{each}")) for each in AccountClass],
        following={**asked, "after": found.following} if found.following else None,
    )


@screen("/domains/<name>", Deed.SEE)
def domain(name: str) -> Response:
    """One domain. A name that is written in another way leads to its A-labels."""
    try:
        ascii_domain = parse_domain(name.rpartition("@")[2])
    except InvalidAddress:
        abort(HTTPStatus.NOT_FOUND)
    if ascii_domain != name:
        return go_to("domain", name=ascii_domain)
    rules = services.rules.current()
    scope = operator().scope
    if domain_scopes.is_outside(scope, rules, name):
        abort(HTTPStatus.NOT_FOUND)
    with services.database.reading() as session:
        now = services.now()
        facts = whole_domain.describe(session, now, name, rules, scope=scope)
    for each in facts["history"]:
        each["since"] = datetime.fromisoformat(each["since"])
    return show_thing(
        "domain",
        domain=display_domain(name),
        ascii_domain=name,
        facts=facts,
        may_pause=domain_scopes.is_within(scope, rules, name),
        may_freeze=domain_scopes.is_whole_within(scope, rules, name),
    )


def _row(rule: StoredRule) -> dict[str, Any]:
    """What a line of the list shows; an address is masked for those who cannot edit it."""
    is_address = rule.kind == RuleKind.ADDRESS
    pattern = readable_pattern(rule.kind, rule.pattern, masked=not operator().may(Deed.DRAFT))
    return {
        "pattern": pattern,
        "domain": None if is_address else rule.pattern,
        "rule": rule,
    }


def _day(typed: str) -> datetime | None:
    """The beginning of a day in the time zone of people; None for what is no day."""
    try:
        found = date.fromisoformat(typed)
    except ValueError:
        return None
    zone: ZoneInfo = services.settings.time_zone
    return datetime.combine(found, time.min, zone).astimezone(UTC)
