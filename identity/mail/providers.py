"""Classes of those who receive mails, for the metrics: who refuses or delays mails of ours.

There are few, so that no label names a domain of a person.
"""

from typing import Final

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import RuleSet

FEDERATION: Final = "federation"  # domains of agents, by the rules in force
OTHER: Final = "other"
PROVIDERS: Final = {
    "gmail": ("gmail.com", "googlemail.com"),
    "outlook": (
        *("outlook.com", "outlook.fr", "hotmail.com", "hotmail.fr", "hotmail.co.uk"),
        *("live.com", "live.fr", "msn.com"),
    ),
    "yahoo": ("yahoo.com", "yahoo.fr", "yahoo.co.uk", "ymail.com", "rocketmail.com", "aol.com"),
    "apple": ("icloud.com", "me.com", "mac.com"),
    "orange": ("orange.fr", "wanadoo.fr"),
    "free": ("free.fr", "aliceadsl.fr", "libertysurf.fr"),
    "sfr": ("sfr.fr", "neuf.fr", "cegetel.net", "club-internet.fr", "numericable.fr"),
    "laposte": ("laposte.net",),
    "bouygues": ("bbox.fr",),
    "proton": ("proton.me", "protonmail.com", "pm.me"),
}
CLASS_OF: Final = {domain: name for name, domains in PROVIDERS.items() for domain in domains}


def provider_class(address: str, rules: RuleSet) -> str:
    """The class of the provider that receives mails to this canonical address."""
    read = EmailAddress.stored(address)
    if known := CLASS_OF.get(read.ascii_domain):
        return known
    is_agents = rules.decide(read).account_class is AccountClass.AGENT
    return FEDERATION if is_agents else OTHER
