"""What speaks for a domain or against it: its mail servers, similar domains, and look-alikes.

It is evidence for a person who decides, and never a rule: mail of many owners arrives at the same
hosting companies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from domain_rules import look_alikes
from domain_rules.look_alikes import Likeness, LookAlike, Name
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.core.dns_answers import DnsAnswer, Found, MailServer
from identity.routing import confusables
from identity.routing.registrable import owner_of

MAX_SHOWN: Final = 10
MAX_COMPARED: Final = 4  # similar open domains whose mail servers are asked for as well
LEAST_LIKE: Final = 0.6  # of 1: how similar a name must be to be proposed
# Mail of thousands of owners arrives there: having the same one says nothing.
HOSTERS: Final = frozenset(
    (
        *("outlook.com", "google.com", "googlemail.com", "ovh.net", "gandi.net", "ionos.com"),
        *("ionos.fr", "zoho.com", "zoho.eu", "protonmail.ch", "infomaniak.ch", "mailinblack.com"),
        *("messagelabs.com", "pphosted.com", "mimecast.com", "vadesecure.com", "cloudfilter.net"),
        *("iphmx.com", "barracudanetworks.com", "antispamcloud.com", "orange.fr", "1and1.fr"),
    )
)


@dataclass(frozen=True)
class MailFacts:
    """What the DNS says of a domain's mail: where it arrives, and who may send it."""

    found: Found
    servers: tuple[MailServer, ...]
    spf: str = ""

    @property
    def owners(self) -> tuple[str, ...]:
        """The registrable domains of the servers, each once, the preferred one first."""
        hosts = (each.host for each in self.servers if each.host)
        return tuple(dict.fromkeys(owner_of(host) for host in hosts))

    @property
    def telling_owners(self) -> frozenset[str]:
        """Those that are no hosting company."""
        return frozenset(self.owners) - HOSTERS

    @property
    def is_null(self) -> bool:
        """Whether the domain says that it takes no mail (RFC 7505)."""
        return bool(self.servers) and not any(each.host for each in self.servers)


def read_mail_facts(servers: tuple[Found, tuple[MailServer, ...]], texts: DnsAnswer) -> MailFacts:
    """The facts in answers of the DNS about MX and TXT records."""
    spf = next((each for each in texts.texts if each.lower().startswith("v=spf1")), "")
    return MailFacts(servers[0], servers[1], spf)


def open_rules(rules: RuleSet) -> list[Rule]:
    """The rules of domains that are open to agents, siblings left out."""
    return [
        rule
        for rule in rules.rules
        if rule.kind in {RuleKind.DOMAIN, RuleKind.SUFFIX}
        and rule.account_class is AccountClass.AGENT
        and not rule.requires_invite
        and not rule.sibling_of
    ]


def nearest(domain: str, rules: RuleSet, *, limit: int = MAX_COMPARED) -> list[Rule]:
    """The open domains most similar to this one: of the same owner, or alike in their spelling."""
    owner, name = owner_of(domain), domain.partition(".")[0]
    found = []
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(name)
    for rule in open_rules(rules):
        if rule.pattern == owner or rule.pattern.endswith(f".{owner}"):
            found.append((2.0, rule))
            continue
        matcher.set_seq1(rule.pattern.partition(".")[0])
        if matcher.real_quick_ratio() < LEAST_LIKE or matcher.quick_ratio() < LEAST_LIKE:
            continue
        likeness = matcher.ratio() + (0.1 if _suffix(rule.pattern) == _suffix(domain) else 0.0)
        if likeness >= LEAST_LIKE:
            found.append((likeness, rule))
    ordered = sorted(found, key=lambda each: (-each[0], each[1].pattern))
    return [rule for _, rule in ordered[:limit]]


def find_look_alikes(domain: str, rules: RuleSet, asked: Iterable[str] = ()) -> list[LookAlike]:
    """Registrable domains like that of this domain, among the open ones and those asked for.

    The strongest likeness first; at most ten.
    """
    own = owner_of(domain)
    others = {owner_of(rule.pattern) for rule in open_rules(rules)} | set(map(owner_of, asked))
    names = (Name.of(each) for each in sorted(others - {own}))
    found = list(look_alikes.find(Name.of(own), names, confusables.table()))
    order = list(Likeness)
    return sorted(found, key=lambda each: (order.index(each.likeness), each.domain))[:MAX_SHOWN]


def as_json(
    domain: str,
    facts: MailFacts,
    compared: Sequence[tuple[Rule, MailFacts]],
    alike: Sequence[LookAlike],
) -> dict[str, Any]:
    """What is stored of a look: plain values, as pages, commands and API show them."""
    same_mail = [
        rule.pattern for rule, other in compared if facts.telling_owners & other.telling_owners
    ]
    return {
        "owner": owner_of(domain),
        "mail": {
            "found": facts.found.value,
            "servers": [each.host for each in facts.servers[:MAX_SHOWN]],
            "owners": list(facts.owners[:MAX_SHOWN]),
            "hosted": bool(facts.owners) and not facts.telling_owners,
            "is_null": facts.is_null,
            "spf": facts.spf,
        },
        "same_mail_as": same_mail,
        "near": [
            {
                "domain": rule.pattern,
                "homeserver": rule.homeserver,
                "organisation": rule.organisation,
                "same_owner": owner_of(rule.pattern) == owner_of(domain),
            }
            for rule, _ in compared
        ],
        "look_alikes": [{"domain": each.domain, "likeness": each.likeness.value} for each in alike],
    }


def proposal_in(found: dict[str, Any]) -> dict[str, Any] | None:
    """The open domain that an accepted one would follow: with the same mail, else the most similar."""
    near: list[dict[str, Any]] = found.get("near", [])
    same_mail = found.get("same_mail_as", [])
    ordered = sorted(near, key=lambda each: each["domain"] not in same_mail)  # stable
    return ordered[0] if ordered else None


def _suffix(domain: str) -> str:
    return domain.partition(".")[2]
