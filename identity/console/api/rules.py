"""`/rules`, `/domains`, `/revisions` and `/explain`: which rules are in force, and what they decide."""

from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.advice import advise
from domain_rules.rule import AccountClass, RuleKind
from identity.domain_requests import whole_domain
from identity.operators.roles import Deed
from identity.problems import InvalidEmail, NothingHere
from identity.routing import address_lists, models as rules, never_agent, views
from identity.routing.models import EMPTY, RuleRevision, StoredRule
from identity.rule_changes import changes, domain_scopes, rule_search
from identity.rule_changes.as_of import read_as_of, rules_as_of
from identity.rule_changes.rule_search import RevisionLine, Wanted
from identity.rule_changes.views import describe_rule
from identity.web import parameters
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards, reading

FILTERS = ("prefix", "kind", "account_class", "homeserver", "organisation")
MAX_TYPED = 253  # characters of one filter
MAX_ADDRESS = 500  # characters; what is longer is no address


class Question(frame.Said):
    """The body of POST /explain. `as_of`: a revision, or a change such as C-142."""

    address: Text = Field(max_length=MAX_ADDRESS)
    as_of: Text = Field(default="", max_length=20)


@frame.reads("/rules", Deed.SEE, *FILTERS, "changed_since", *frame.PAGED)
def list_rules(session: Session) -> dict[str, Any]:
    """The rules in force. Those for single addresses are found by `kind=address` alone."""
    given = dict(zip(FILTERS, parameters.optional(*FILTERS), strict=True))
    for name, value in given.items():
        if value is not None and len(value) > MAX_TYPED:
            raise frame.wrong(name, f"At most {MAX_TYPED} characters.")
    reading.one_of("kind", given["kind"], RuleKind)
    reading.one_of("account_class", given["account_class"], AccountClass)
    (since,) = parameters.optional("changed_since")
    wanted = Wanted(
        **{name: value or "" for name, value in given.items()},
        changed_since=reading.moment("changed_since", since) if since else None,
    )
    scope = guards.program().scope
    page = rule_search.find_rules(session, wanted, scope=scope, **frame.asked_page())
    return frame.listed(page, _told)


frame.in_console("/rules/export", "export_rules", Deed.EXPORT_RULES, "/admin/domains")


@frame.reads("/domains/<name>", Deed.SEE)
def show_domain(session: Session, name: str) -> dict[str, Any]:
    """All about one domain, also one without a rule, in numbers and without an address."""
    try:
        is_canonical = parse_domain(name) == name
    except InvalidAddress:
        is_canonical = False
    if not is_canonical:
        raise NothingHere("A domain stands here in ASCII and small letters: xn--acadmie-…")
    in_force = services.rules.current()
    scope = guards.program().scope
    if domain_scopes.is_outside(scope, in_force, name):
        raise NothingHere
    return whole_domain.describe(session, services.now(), name, in_force, scope=scope)


@frame.reads("/revisions", Deed.SEE, *frame.PAGED)
def list_revisions(session: Session) -> dict[str, Any]:
    """The revisions, newest first, each with the change that it was, if there was one."""
    page = rule_search.find_revisions(session, **frame.asked_page())
    changed = rule_search.find_changes_of(session, [each.number for each in page.items])
    return frame.listed(page, lambda row: _revision(row, changed.get(row.number)))


@frame.reads("/revisions/<int:number>", Deed.SEE)
def show_revision(session: Session, number: int) -> dict[str, Any]:
    """One revision, and up to 200 rules that it ended or began."""
    found = session.get(RuleRevision, number)
    if found is None or number == EMPTY:
        raise NothingHere
    changed = rule_search.find_changes_of(session, [number]).get(number)
    lines = rule_search.find_lines_of(session, number, scope=guards.program().scope)
    return _revision(found, changed) | {"lines": [_line(each) for each in lines]}


@frame.looks_up("/explain", Deed.TEST_ADDRESS, Question)
def explain(session: Session, given: Question) -> dict[str, Any]:
    """What the rules decide for an address, and what the person reads; now, then, or later."""
    try:
        address = EmailAddress.parse(given.address)
    except InvalidAddress as error:
        problem = InvalidEmail(str(error))
        problem.further = {"org.guichet.field": "address", "org.guichet.reason": str(error.reason)}
        raise problem from None
    moment = read_as_of(given.as_of)
    if moment.change is not None:  # outside the scope it is not found
        changes.required(session, moment.change, guards.program().scope)
    in_force = services.rules.current()
    decided = in_force if moment.is_now else rules_as_of(session, services.now(), moment)
    shared = address_lists.shared_mailboxes(session)
    keep = never_agent.has_mailboxes(address.ascii_domain)
    advice = advise(decided, address, keep_typed=keep, shared_mailboxes=shared)
    return views.describe_explanation(decided.explain(address), advice)


def _told(row: StoredRule) -> dict[str, Any]:
    shown = describe_rule(rules.rule_of(row), shows_addresses=guards.sees_addresses())
    return shown | {"since_revision": row.since_revision}


def _revision(row: RuleRevision, change: int | None) -> dict[str, Any]:
    return views.describe_revision(row) | {"change": f"C-{change}" if change else None}


def _line(line: RevisionLine) -> dict[str, Any]:
    return {
        "before": _told(line.before) if line.before else None,
        "after": _told(line.after) if line.after else None,
    }
