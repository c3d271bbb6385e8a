"""What to tell a person who typed an address: go on, check the spelling, or not open here."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.enums import StrEnum
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import Decision, DecisionReason, RuleSet

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-."
MIN_CORRECTED = 6  # characters; everything shorter is one slip away from something
MAX_CORRECTED = 80


class AdviceState(StrEnum):
    """Which page answers an address."""

    OPEN = "open"
    TYPO = "typo"
    SIBLING = "sibling"
    NOT_OPEN = "not_open"
    SHARED_MAILBOX = "shared_mailbox"


@dataclass(frozen=True, slots=True)
class NumberedMailbox:
    """Numbered mailboxes of schools: `ce.0123456a` at any domain that starts with `ac-`."""

    prefix: str
    digits: int
    letters: int
    domain_prefix: str

    @property
    def example(self) -> str:
        """The local part of one of them, as people know it: `ce.0123456a`."""
        digits = "".join(str(place % 10) for place in range(self.digits))
        return f"{self.prefix}{digits}{'a' * self.letters}"

    def fits(self, address: EmailAddress) -> bool:
        """Whether the address is one of these mailboxes."""
        number = address.local.removeprefix(self.prefix)
        return (
            address.local.startswith(self.prefix)
            and address.ascii_domain.startswith(self.domain_prefix)
            and len(number) == self.digits + self.letters
            and number.isascii()
            and number[: self.digits].isdigit()
            and number[self.digits :].isalpha()
        )


@dataclass(frozen=True, slots=True)
class SharedMailboxes:
    """Local parts that several people read: whole names, and first words of longer names."""

    names: frozenset[str]
    first_words: frozenset[str]
    numbered: tuple[NumberedMailbox, ...] = ()

    def __contains__(self, address: EmailAddress) -> bool:
        name = address.local.partition("+")[0].replace("_", "-").replace(".", "-")
        first, further, _ = name.partition("-")
        return (
            name in self.names
            or (bool(further) and first in self.first_words)
            or any(mailbox.fits(address) for mailbox in self.numbered)
        )


DEFAULT_SHARED_MAILBOXES = SharedMailboxes(
    names=frozenset(
        {
            # RFC 2142
            *("info", "marketing", "sales", "support", "abuse", "noc", "security"),
            *("postmaster", "hostmaster", "usenet", "news", "webmaster", "www", "uucp", "ftp"),
            # what French public bodies and associations use
            *("accueil", "administration", "bureau", "communication", "comptabilite", "contact"),
            *(
                "courrier",
                "dpo",
                "direction",
                "dsi",
                "formation",
                "infos",
                "informatique",
                "mairie",
            ),
            *("presidence", "presse", "recrutement", "rgpd", "rh", "secretariat", "standard"),
            *("urbanisme", "etat-civil", "service-technique", "services-techniques"),
            *("helpdesk", "hello", "bonjour", "office", "admin", "root", "mailer-daemon"),
            *("noreply", "no-reply", "ne-pas-repondre", "nepasrepondre", "donotreply"),
        }
    ),
    first_words=frozenset({"accueil", "contact", "mairie", "noreply", "secretariat", "service"}),
    numbered=(NumberedMailbox("ce.", digits=7, letters=1, domain_prefix="ac-"),),
)


@dataclass(frozen=True, slots=True)
class AddressAdvice:
    """`suggestion` comes with state `typo`; `sibling`, the domain to use, with `sibling`."""

    state: AdviceState
    address: EmailAddress
    decision: Decision
    suggestion: EmailAddress | None = None
    sibling: str | None = None


def advise(
    rules: RuleSet,
    address: EmailAddress,
    *,
    keep_typed: bool = False,
    shared_mailboxes: SharedMailboxes = DEFAULT_SHARED_MAILBOXES,
) -> AddressAdvice:
    """What to answer, by the rules alone. `keep_typed`: the person declined the suggestion."""
    decision = rules.decide(address)
    if decision.sibling:
        return AddressAdvice(AdviceState.SIBLING, address, decision, sibling=decision.sibling)
    rule = decision.rule
    if decision.reason is DecisionReason.OPEN:
        named = rule is not None and rule.kind is RuleKind.ADDRESS
        is_shared = not named and address in shared_mailboxes
        return AddressAdvice(
            AdviceState.SHARED_MAILBOX if is_shared else AdviceState.OPEN, address, decision
        )
    if not keep_typed and (rule is None or rule.kind is RuleKind.DEFAULT):
        suggestion = _suggest(rules, address)
        if suggestion:
            return AddressAdvice(AdviceState.TYPO, address, decision, suggestion)
    return AddressAdvice(AdviceState.NOT_OPEN, address, decision)


def _suggest(rules: RuleSet, address: EmailAddress) -> EmailAddress | None:
    """The same local part at an open agents' domain that is one typing error away."""
    if not MIN_CORRECTED <= len(address.ascii_domain) <= MAX_CORRECTED:
        return None
    for domain in _variants(address):
        rule = rules.rule_of_domain(domain)
        if rule and _is_open_to_agents(rule) and _is_meant(rule, domain, address.ascii_domain):
            suggestion = _at(address.local, domain)
            if suggestion and rules.decide(suggestion).reason is DecisionReason.OPEN:
                return suggestion
    return None


def _is_open_to_agents(rule: Rule) -> bool:
    is_agents = rule.account_class is AccountClass.AGENT
    return is_agents and not rule.requires_invite and not rule.sibling_of


def _is_meant(rule: Rule, domain: str, typed: str) -> bool:
    """Below a suffix the error must be in the suffix: what stands before it is unknown to us."""
    before = domain.removesuffix(rule.pattern)
    return not before or typed.startswith(before)


def _at(local: str, domain: str) -> EmailAddress | None:
    try:
        return EmailAddress.parse(f"{local}@{domain}", smtputf8=True)
    except InvalidAddress:  # too long, or no domain after all
        return None


def _variants(address: EmailAddress) -> Iterator[str]:
    """Domains that may be meant, the likeliest typing error first, in a fixed order."""
    typed = address.ascii_domain
    unaccented = _without_accents(address.display_domain)
    if unaccented.isascii() and unaccented != typed:
        yield unaccented
    ends = [(typed[:at], typed[at:]) for at in range(len(typed) + 1)]
    for head, tail in ends[:-2]:
        yield head + tail[1] + tail[0] + tail[2:]
    for sign in ".-":
        yield from (head + sign + tail for head, tail in ends)
    yield from (head + tail[1:] for head, tail in ends[:-1])
    for letter in LETTERS:
        yield from (head + letter + tail for head, tail in ends)
        yield from (head + letter + tail[1:] for head, tail in ends[:-1])


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
