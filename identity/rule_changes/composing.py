"""Makes a line of a change of what an operator filled in: a rule to put, or the key of one to remove.

What the form does not ask, as extra signs and validity, stays as the draft or else the rule in force
has it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.rule import AccountClass, InvalidRule, Rule, RuleKind
from identity.homeservers import models as homeservers
from identity.problems import WrongParameter
from identity.routing import models as rules

from . import change_models as models
from .change_models import Act, Change
from .service import Key

MAX_TEXT: Final = 200  # characters of an organisation or a note
DEFAULT: Final = "*"  # as people type it


class Outcome(StrEnum):
    """What shall become of the addresses."""

    OPEN = "open"  # agents, who sign up by themselves; on a homeserver for guests: guests
    GUEST = "guest"  # guests, by invitation
    SIBLING = "sibling"  # closed: people are told to use another domain
    REMOVE = "remove"  # the rule is taken away


class Why(StrEnum):
    """Why a form cannot become a line."""

    NO_DOMAIN = "no_domain"
    NO_HOMESERVER = "no_homeserver"
    NO_SIBLING = "no_sibling"
    OWN_SIBLING = "own_sibling"
    NO_RULE = "no_rule"
    TOO_LONG = "too_long"


class WrongLine(WrongParameter):
    """A field of a line is not filled in as it must be. `field` is one of `Wanted`."""

    def __init__(self, field: str, why: Why) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


@dataclass(frozen=True)
class Wanted:
    """The fields of the form, as typed. `pattern`: a domain, an address, or `*` for all others."""

    pattern: str = ""
    with_subdomains: bool = False
    outcome: str = Outcome.OPEN
    homeserver: str = ""
    sibling_of: str = ""
    organisation: str = ""
    note: str = ""


def read_key(wanted: Wanted) -> Key:
    """Kind and canonical pattern. Raises WrongLine."""
    text = wanted.pattern.strip()
    if text == DEFAULT:
        return RuleKind.DEFAULT, ""
    try:
        if text.find("@") > 0:
            return RuleKind.ADDRESS, EmailAddress.parse(text, smtputf8=True).canonical
        domain = parse_domain(text.removeprefix("*."))
    except InvalidAddress:
        raise WrongLine("pattern", Why.NO_DOMAIN) from None
    is_suffix = wanted.with_subdomains or text.startswith("*.")
    return (RuleKind.SUFFIX if is_suffix else RuleKind.DOMAIN), domain


def compose(session: Session, wanted: Wanted, draft: Change | None = None) -> Rule | Key:
    """The rule to put, or the key of the rule to take away. Raises WrongLine.

    `draft`: the change whose line it becomes.
    """
    kind, pattern = key = read_key(wanted)
    here = next(iter(rules.find_in_force(session, [key])), None)
    if wanted.outcome == Outcome.REMOVE:
        if here is None:
            raise WrongLine("pattern", Why.NO_RULE)
        return key
    for field in ("organisation", "note"):
        if len(getattr(wanted, field)) > MAX_TEXT:
            raise WrongLine(field, Why.TOO_LONG)
    made = _placed(session, kind, pattern, wanted)
    made = replace(made, organisation=wanted.organisation.strip(), note=wanted.note.strip())
    base = _drafted(session, draft, key) or here
    return made if base is None else _with_unasked(made, base, wanted)


def _with_unasked(made: Rule, base: Rule, wanted: Wanted) -> Rule:
    """The rule with what the form does not ask, as `base` has it."""
    kept: dict[str, Any] = {
        "extra_signs": base.extra_signs,
        "valid_from": base.valid_from,
        "valid_until": base.valid_until,
    }
    if made.homeserver is not None and made.homeserver == base.homeserver:
        kept["protected_homeserver"] = base.protected_homeserver
        kept |= {"moved_from": base.moved_from, "moving_until": base.moving_until}
    if wanted.outcome == filled_in(base).outcome and made.account_class is base.account_class:
        kept["requires_invite"] = base.requires_invite
    return replace(made, **kept)


def _drafted(session: Session, draft: Change | None, key: Key) -> Rule | None:
    """The rule that a draft puts for this pattern."""
    line = models.find_line(session, draft.id, key) if draft else None
    return models.rule_of(line) if line and line.act == Act.PUT else None


def filled_in(rule: Rule) -> Wanted:
    """The form as it is filled in for a rule."""
    pattern = DEFAULT if rule.kind is RuleKind.DEFAULT else rule.pattern
    is_open = rule.account_class is AccountClass.AGENT
    outcome = Outcome.OPEN if is_open else Outcome.GUEST
    return Wanted(
        pattern,
        rule.kind is RuleKind.SUFFIX,
        Outcome.SIBLING if rule.sibling_of else outcome,
        rule.homeserver or "",
        rule.sibling_of or "",
        rule.organisation,
        rule.note,
    )


def _placed(session: Session, kind: RuleKind, pattern: str, wanted: Wanted) -> Rule:
    if wanted.outcome == Outcome.SIBLING:
        return _sibling(kind, pattern, wanted)
    home = homeservers.find(session, wanted.homeserver)
    if home is None:
        raise WrongLine("homeserver", Why.NO_HOMESERVER)
    is_guest = wanted.outcome == Outcome.GUEST or home.is_for_guests
    account_class = AccountClass.GUEST if is_guest else AccountClass.AGENT
    return Rule(kind, pattern, account_class, home.name, requires_invite=is_guest)


def _sibling(kind: RuleKind, pattern: str, wanted: Wanted) -> Rule:
    try:
        other = parse_domain(wanted.sibling_of)
        made = Rule(
            kind, pattern, AccountClass.AGENT, None, requires_invite=False, sibling_of=other
        )
    except (InvalidAddress, InvalidRule):
        raise WrongLine("sibling_of", Why.NO_SIBLING) from None
    if other == pattern:
        raise WrongLine("sibling_of", Why.OWN_SIBLING)
    return made
