"""How requests end by themselves: with the change that opens their domain, or by time."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass, RuleKind
from domain_rules.rules import RuleSet
from identity.core import rows
from identity.core.keyed_hashes import KeyedHashes
from identity.rule_changes import change_models
from identity.rule_changes.change_models import Act, Change, ChangeLine

from . import deciding, models, proofs
from .models import (
    DECIDED,
    PENDING,
    UNDECIDED,
    DomainMessage,
    DomainProof,
    DomainRequest,
    DomainRequester,
    RequestState,
)

EXPIRES_AFTER: Final = timedelta(days=180)
ADDRESSES_KEPT: Final = timedelta(days=183)  # after the decision


def settle_applied(
    session: Session, rules: RuleSet, now: datetime, change: Change
) -> list[DomainRequest]:
    """End the requests whose domains a change in force opens, and order the mails about it.

    Those that it was to open and does not, since its line was taken out, wait for a decision again.
    Carried out twice, it does nothing the second time.
    """
    models.lock(session)
    named = {each.id: each for each in models.find_by_change(session, change.id)}
    put = select(ChangeLine.pattern).where(
        ChangeLine.change_id == change.id,
        ChangeLine.act == Act.PUT,
        ChangeLine.kind == RuleKind.DOMAIN.value,
    )
    pending = select(DomainRequest).where(
        DomainRequest.state.in_(PENDING), DomainRequest.domain.in_(put)
    )
    named |= {each.id: each for each in session.scalars(pending)}
    ended = []
    for request in sorted(named.values(), key=lambda each: each.number):
        state = _state_by_rules(rules, request.domain)
        if state is None:
            if request.change_id == change.id:
                request.state, request.change_id = RequestState.OPEN, None
                request.changed_at = now
            continue
        request.state, request.change_id = state, change.id
        request.decided_at = request.decided_at or now
        request.decided_by = request.decided_by or change.approved_by
        request.ended_at = request.changed_at = now
        session.flush()
        if models.find_proof(session, request.id) is not None:
            proofs.look_again(session, now, request)
        deciding.tell_decision(session, now, request)
        ended.append(request)
    session.flush()
    return ended


def settle_abandoned(session: Session, now: datetime, *, limit: int) -> int:
    """Let requests wait for a decision again whose change was abandoned. Returns how many."""
    abandoned = select(Change.id).where(Change.state == change_models.ChangeState.ABANDONED)
    found = session.scalars(
        select(DomainRequest)
        .where(DomainRequest.state == RequestState.ACCEPTED, DomainRequest.change_id.in_(abandoned))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for request in found:
        request.state, request.change_id = RequestState.OPEN, None
        request.decided_at = request.decided_by = None
        request.changed_at = now
    session.flush()
    return len(found)


def expire(session: Session, now: datetime, *, limit: int) -> int:
    """End requests that nobody decided for 180 days. Returns how many."""
    found = session.scalars(
        select(DomainRequest)
        .where(DomainRequest.state.in_(UNDECIDED), DomainRequest.created_at < now - EXPIRES_AFTER)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for request in found:
        request.state = RequestState.EXPIRED
        request.ended_at = request.changed_at = now
    session.flush()
    return len(found)


def hide_people(session: Session, hashes: KeyedHashes, now: datetime, *, limit: int) -> int:
    """Replace addresses by keyed hashes half a year after the decision, and forget what was said.

    Returns of how many people.
    """
    over = select(DomainRequest.id).where(
        DomainRequest.state.in_(DECIDED), DomainRequest.ended_at < now - ADDRESSES_KEPT
    )
    found = session.scalars(
        select(DomainRequester)
        .where(DomainRequester.request_id.in_(over), DomainRequester.address.contains("@"))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for each in found:
        hashed = hashes.pseudonym_of(session, each.mailbox)
        each.address = each.mailbox = hashed
        each.organisation = each.position = each.site = each.phone = each.it_contact = ""
    requests = {each.request_id for each in found}
    rows.delete(session, DomainMessage, DomainMessage.request_id.in_(requests))
    rows.delete(session, DomainProof, DomainProof.request_id.in_(requests))
    session.flush()
    return len(found)


def _state_by_rules(rules: RuleSet, domain: str) -> RequestState | None:
    """What the rules in force make of a domain; None: it is still not open."""
    rule = rules.rule_of_domain(domain)
    if rule is None:
        return None
    if rule.sibling_of:
        return RequestState.REDIRECTED
    is_open = rule.account_class is AccountClass.AGENT and not rule.requires_invite
    return RequestState.OPENED if is_open else None
