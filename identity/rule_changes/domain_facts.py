"""What is told of one domain: who decides for it, who is there, what was mailed, what changes wait."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass, RuleKind
from domain_rules.rules import RuleSet
from identity.accounts.models import Account, AccountState
from identity.core.address_domains import domain_of
from identity.core.paging import MOST
from identity.freezes import models as freezes
from identity.freezes.views import describe as describe_freeze
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.mail.models import Mail, MailState
from identity.operators.roles import ALL, Scope
from identity.routing.models import RuleRevision, StoredRule
from identity.sign_up.models import VerificationRequest

from .change_models import ENDED, Change, ChangeLine
from .scopes import is_within
from .views import describe_rule

RECENT: Final = timedelta(days=7)
SHOWN: Final = 20  # lines of a list
LOOKED_AT: Final = 500  # mails, for the last reply
INVITATIONS: Final = "invitations"
ASKED: Final = "asked"
LAST_REPLY: Final = "last_reply"


def describe_domain(
    session: Session,
    now: datetime,
    domain: str,
    rules: RuleSet,
    *,
    scope: Scope = ALL,
) -> dict[str, Any]:
    """What is known of a domain (A-label), also of one without a rule. No address is in it.

    Changes outside `scope` are not named. Numbers go up to `paging.MOST` and one more. Four queries.
    """
    rule = rules.rule_of_domain(domain)
    fallback = next((each for each in rules.rules if each.kind is RuleKind.DEFAULT), None)
    is_open = rule is not None and not rule.sibling_of and not rule.requires_invite
    frozen = freezes.find_in_force(session, now).of_domain(domain)
    counts, last_reply = _counts(session, now, domain)
    return {
        "domain": domain,
        "is_open": is_open,
        "rule": describe_rule(rule) if rule else None,
        "default": describe_rule(fallback) if fallback else None,
        "is_own": rule is not None and rule.pattern == domain,
        "history": _history(session, domain),
        "accounts": {each: counts.get(each, 0) for each in AccountClass},
        "invitations_waiting": counts.get(INVITATIONS, 0),
        "mails": {
            "states": {each: counts[each] for each in MailState if each in counts},
            "last_reply": last_reply,
        },
        "asked_while_closed": None if is_open else counts.get(ASKED, 0),
        "siblings": sorted(_siblings(rules, domain))[:SHOWN],
        "changes": _changes(session, domain, scope),
        "freeze": describe_freeze(frozen) if frozen else None,
    }


def find_rules_of(session: Session, domain: str) -> list[StoredRule]:
    """The rules in force whose pattern is this domain: exact, and for all domains under it."""
    asked = select(StoredRule).where(StoredRule.pattern == domain, _in_force())
    return list(session.scalars(asked.order_by(StoredRule.kind)))


def _in_force() -> ColumnElement[bool]:
    return StoredRule.until_revision.is_(None)


def _history(session: Session, domain: str) -> list[dict[str, Any]]:
    """The rules that this pattern had, newest first, each with its revision and change."""
    asked = (
        select(StoredRule, RuleRevision, Change.number)
        .join(RuleRevision, RuleRevision.number == StoredRule.since_revision)
        .outerjoin(Change, Change.revision == StoredRule.since_revision)
        .where(
            StoredRule.pattern == domain,
            StoredRule.kind.in_([RuleKind.DOMAIN, RuleKind.SUFFIX]),
        )
        .order_by(StoredRule.since_revision.desc(), StoredRule.kind)
        .limit(SHOWN)
    )
    return [
        {
            "kind": rule.kind,
            "account_class": rule.account_class,
            "homeserver": rule.homeserver,
            "sibling_of": rule.sibling_of,
            "organisation": rule.organisation,
            "since": revision.published_at.isoformat(timespec="seconds"),
            "since_revision": rule.since_revision,
            "until_revision": rule.until_revision,
            "author": revision.author,
            "reason": revision.reason,
            "change": number,
        }
        for rule, revision, number in session.execute(asked)
    ]


def _counts(session: Session, now: datetime, domain: str) -> tuple[dict[str, int], str | None]:
    """Accounts that are ready, by class; waiting invitations; mails and sign-ups of seven days.

    Each by its name: an AccountClass, a MailState, INVITATIONS or ASKED. With it, the last reply of
    the mail server. One query.
    """
    invitation, request = ThirdPartyInvitation, VerificationRequest
    accounts = select(Account.account_class.label("what")).where(
        domain_of(Account.address) == domain, Account.state == AccountState.READY
    )
    waiting = select(literal(INVITATIONS).label("what")).where(
        domain_of(invitation.address) == domain,
        invitation.delivery == Delivery.WAITING,
        invitation.ended_at.is_(None),
    )
    asked = select(literal(ASKED).label("what")).where(
        domain_of(request.address) == domain, request.created_at > now - RECENT
    )
    mailed = select(Mail.state.label("what")).where(*_recent_mails(now, domain))
    some = [each.limit(MOST + 1).subquery() for each in (accounts, waiting, asked, mailed)]
    nothing = cast(null(), Text)
    counts = [select(each.c.what, func.count(), nothing).group_by(each.c.what) for each in some]
    reply = _last_reply(now, domain).subquery()
    counts.append(select(literal(LAST_REPLY), literal(1), reply.c.last_reply))
    found = session.execute(union_all(*counts)).all()
    numbers = {str(what): int(number) for what, number, _ in found}
    return numbers, next((said for what, _, said in found if what == LAST_REPLY), None)


def _recent_mails(now: datetime, domain: str) -> tuple[ColumnElement[bool], ...]:
    return (Mail.created_at > now - RECENT, domain_of(Mail.address) == domain)


def _last_reply(now: datetime, domain: str) -> Select[tuple[str | None]]:
    """What the mail server said last about a mail that ended, among the newest of seven days."""
    newest = (
        select(Mail.last_reply, Mail.ended_at, Mail.created_at)
        .where(*_recent_mails(now, domain))
        .order_by(Mail.created_at.desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    return (
        select(newest.c.last_reply)
        .where(newest.c.last_reply.is_not(None), newest.c.ended_at.is_not(None))
        .order_by(newest.c.created_at.desc())
        .limit(1)
    )


def _siblings(rules: RuleSet, domain: str) -> list[str]:
    """Domains whose people are told to use this one."""
    return [rule.pattern for rule in rules.rules if rule.sibling_of == domain]


def _changes(session: Session, domain: str, scope: Scope) -> list[dict[str, Any]]:
    """Changes that have not ended and have a line for this pattern, newest first."""
    asked = (
        select(Change)
        .join(ChangeLine, ChangeLine.change_id == Change.id)
        .where(ChangeLine.pattern == domain, Change.state.not_in(ENDED), is_within(scope))
        .order_by(Change.number.desc())
        .limit(SHOWN)
    )
    return [
        {"number": each.number, "state": each.state, "title": each.title}
        for each in session.scalars(asked)
    ]
