"""What to tell a person who typed an address: go on, look again, or not here."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.enums import Word
from domain_rules.rules import AccountClass, Decision, Kind, Reason, Rule, RuleSet

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-."
SHORTEST_HINTED = 6  # characters; everything shorter is one slip away from something
MAX_HINTED = 80


class State(Word):
    """The page that answers an address."""

    OPEN = "open"
    TYPO = "typo"
    SIBLING = "sibling"
    NOT_OPEN = "not_open"
    SHARED_MAILBOX = "shared_mailbox"


@dataclass(frozen=True, slots=True)
class NumberedMailbox:
    """Mailboxes of places that are numbered: `ce.0123456a` at any domain `ac-…`."""

    prefix: str
    digits: int
    letters: int
    domain_prefix: str

    def fits(self, address: EmailAddress) -> bool:
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
    """Local parts that several people read: whole names, and first words of longer ones."""

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


DEFAULT = SharedMailboxes(
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
class Advice:
    """`suggestion` comes with `typo`, `sibling` (the domain to use) with `sibling`."""

    state: State
    address: EmailAddress
    decision: Decision
    suggestion: EmailAddress | None = None
    sibling: str | None = None


def advise(
    rules: RuleSet,
    address: EmailAddress,
    *,
    keep_typed: bool = False,
    shared_mailboxes: SharedMailboxes = DEFAULT,
) -> Advice:
    """What to answer, from the rules alone. `keep_typed`: they declined the suggestion."""
    decision = rules.decide(address)
    if decision.sibling:
        return Advice(State.SIBLING, address, decision, sibling=decision.sibling)
    rule = decision.rule
    if decision.reason is Reason.OPEN:
        named = rule is not None and rule.kind is Kind.ADDRESS
        is_shared = not named and address in shared_mailboxes
        return Advice(State.SHARED_MAILBOX if is_shared else State.OPEN, address, decision)
    if not keep_typed and (rule is None or rule.kind is Kind.DEFAULT):
        suggestion = _suggest(rules, address)
        if suggestion:
            return Advice(State.TYPO, address, decision, suggestion)
    return Advice(State.NOT_OPEN, address, decision)


def _suggest(rules: RuleSet, address: EmailAddress) -> EmailAddress | None:
    """The same name at the open agent domain that is one slip of the hand away."""
    if not SHORTEST_HINTED <= len(address.ascii_domain) <= MAX_HINTED:
        return None
    for domain in _variants(address):
        rule = rules.rule_of_domain(domain)
        if rule and _is_open_to_agents(rule) and _is_meant(rule, domain, address.ascii_domain):
            suggestion = _at(address.local, domain)
            if suggestion and rules.decide(suggestion).reason is Reason.OPEN:
                return suggestion
    return None


def _is_open_to_agents(rule: Rule) -> bool:
    is_agents = rule.account_class is AccountClass.AGENT
    return is_agents and not rule.requires_invite and not rule.sibling_of


def _is_meant(rule: Rule, domain: str, typed: str) -> bool:
    """Under a suffix, the slip must be in the suffix: what stands before it is unknown to us."""
    before = domain.removesuffix(rule.pattern)
    return not before or typed.startswith(before)


def _at(local: str, domain: str) -> EmailAddress | None:
    try:
        return EmailAddress.parse(f"{local}@{domain}", smtputf8=True)
    except InvalidAddress:  # too long, or no domain after all
        return None


def _variants(address: EmailAddress) -> Iterator[str]:
    """What may have been meant, likeliest slip first, each kind in a fixed order."""
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
