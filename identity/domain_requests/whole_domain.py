"""Everything that is told of one domain: to the console's page, the API and `guichet domain show`.

What `domain_facts` knows, and with it what only stories above the rules know.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.mail import pausing
from identity.mail.views import describe_pause
from identity.operators.roles import ALL, Scope
from identity.routing import address_lists
from identity.rule_changes import domain_facts

from . import open_names, views
from .models import DomainRequest

SHOWN: Final = 20  # requests
MOST_NAMES: Final = 500  # shared mailboxes


def describe(
    session: Session, now: datetime, domain: str, rules: RuleSet, *, scope: Scope = ALL
) -> dict[str, Any]:
    """What is known of a domain (A-label), also of one without a rule. No address is in it.

    `look_alikes`: open domains of others that are like it, at most ten. `requests`: the newest for
    this domain within `scope`. `shared_mailboxes`: names at which nobody signs up. `mail_pauses`:
    which mails to it wait. Seven queries.
    """
    told = domain_facts.describe_domain(session, now, domain, rules, scope=scope)
    return told | {
        "look_alikes": [
            {"domain": each.domain, "likeness": str(each.likeness)}
            for each in open_names.find_like(domain, rules)
        ],
        "requests": _requests(session, domain, scope),
        "shared_mailboxes": address_lists.find_shared_at(session, rules, domain, limit=MOST_NAMES),
        "mail_pauses": [
            describe_pause(each) for each in pausing.in_force(session, now) if each.domain == domain
        ],
    }


def _requests(session: Session, domain: str, scope: Scope) -> list[dict[str, Any]]:
    """The requests for exactly this domain, those that are decided as well, the newest first."""
    asked = views.within(select(DomainRequest), scope).where(DomainRequest.domain == domain)
    newest = asked.order_by(DomainRequest.created_at.desc(), DomainRequest.id).limit(SHOWN)
    return [
        {
            "request": each.label,
            "number": each.number,
            "state": each.state,
            "people": each.people,
            "asked_at": each.created_at.isoformat(timespec="seconds"),
            "ended_at": each.ended_at.isoformat(timespec="seconds") if each.ended_at else None,
        }
        for each in session.scalars(newest)
    ]
