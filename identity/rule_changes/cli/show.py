"""`guichet domain show`: everything about one domain, as its page in the console tells it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from identity.command.opening import open_services
from identity.command.outcomes import Failure
from identity.command.printing import as_json, print_facts, print_json
from identity.domain_requests import whole_domain
from identity.rule_changes.as_of import NOW, rules_as_of


@click.command()
@click.argument("name", metavar="DOMAIN")
@as_json
def show(name: str) -> None:
    """Show everything about DOMAIN, also if it has no rule. No address of a person is in it.

    Numbers go up to 10,000 and one more.

    \b
    JSON: {"domain": text, "is_open", "is_own": boolean, "rule", "default": rule or null,
           "history": [rule of before], "accounts": {class: number}, "invitations_waiting": number,
           "mails": {"states": {state: number}, "last_reply": text or null},
           "asked_while_closed": number or null, "siblings": [domain],
           "changes": [{"number", "state", "title"}], "freeze": freeze or null,
           "look_alikes": [{"domain", "likeness"}], "requests": [{"request", "number", "state",
           "people", "asked_at", "ended_at"}], "shared_mailboxes": [text], "mail_pauses": [pause]}
    """  # noqa: D301  \b is click's: keep these lines
    try:
        domain = parse_domain(name.rpartition("@")[2])
    except InvalidAddress as error:
        raise Failure(f"{name!r} is not a domain: {error}") from error
    with open_services() as services, services.database.reading() as session:
        now = services.now()
        told = whole_domain.describe(session, now, domain, rules_as_of(session, now, NOW))
    if not print_json(told):
        print_facts(_facts(told))


def _facts(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "domain", told["domain"]
    yield "rule", _says(told["rule"]) if told["rule"] else "none: closed"
    if told["default"] and not told["rule"]:
        yield "default", _says(told["default"])
    yield "accounts", _numbers(told["accounts"])
    yield "invitations waiting", str(told["invitations_waiting"])
    yield "mails in 7 days", _numbers(told["mails"]["states"])
    if told["mails"]["last_reply"]:
        yield "last reply", told["mails"]["last_reply"]
    if told["asked_while_closed"] is not None:
        yield "asked while closed", str(told["asked_while_closed"])
    yield "siblings", _listed(told["siblings"])
    yield "looks like", _listed(f"{e['domain']} ({e['likeness']})" for e in told["look_alikes"])
    yield "requests", _listed(f"{e['request']} ({e['state']})" for e in told["requests"])
    yield "changes", _listed(f"C-{e['number']} ({e['state']})" for e in told["changes"])
    yield "shared mailboxes", _listed(told["shared_mailboxes"])
    if freeze := told["freeze"]:
        named = f"{freeze['domain']}, " if freeze["domain"] != told["domain"] else ""
        yield "frozen", f"{named}{_stopped(freeze, freeze['author'])}"
    for pause in told["mail_pauses"]:
        yield "mails paused", f"{pause['kind'] or 'all'}, {_stopped(pause, pause['by'])}"


def _says(rule: Mapping[str, Any]) -> str:
    name = f"{rule['kind']}:{rule['pattern'] or ''}".removesuffix(":")
    if rule["sibling_of"]:
        return f"{name}  sibling of {rule['sibling_of']}"
    invited = ", by invitation" if rule["requires_invite"] else ""
    return f"{name}  {rule['account_class']} → {rule['homeserver']}{invited}"


def _stopped(stop: Mapping[str, Any], author: str) -> str:
    end = f"until {stop['until']}" if stop["until"] else "without an end"
    return f"by {author} since {stop['since']}, {end}: {stop['reason']}"


def _numbers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items()) or "none"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
