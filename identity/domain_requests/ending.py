"""How requests end by themselves: with the change that opens their domain, or by time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import rows
from identity.core.keyed_hashes import KeyedHashes
from identity.rule_changes import change_models
from identity.rule_changes.change_models import Change

from . import answering, deciding, in_force, models, proofs
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


def settle_applied(session: Session, now: datetime, change: Change) -> list[DomainRequest]:
    """End the requests whose domains a change in force opens, and order the mails about it.

    Those that it was to open and does not, since its line was taken out, wait for a decision again.
    Carried out twice, it does nothing the second time.
    """
    models.lock(session)
    named = {each.id: each for each in models.find_by_change(session, change.id)}
    named |= {each.id: each for each in answering.find_named(session, change)}
    ended = _end_open(session, now, named.values(), change)
    for request in named.values():
        if request.state == RequestState.ACCEPTED and request.change_id == change.id:
            _wait_again(request, now)
    session.flush()
    return ended


def settle_open(session: Session, now: datetime, *, limit: int) -> int:
    """End requests whose domains are open by now, in whatever way, and tell those who asked.

    The day on which a rule becomes valid opens domains, and so does a publication without a change.
    Returns how many.
    """
    models.lock(session)
    found = session.execute(
        select(DomainRequest.id, DomainRequest.domain).where(DomainRequest.state.in_(PENDING))
    ).all()
    decides = in_force.find_rules(session, now, [domain for _, domain in found])
    is_open = [each for each, domain in found if in_force.state_by(decides.get(domain))][:limit]
    requests = session.scalars(select(DomainRequest).where(DomainRequest.id.in_(is_open))).all()
    return len(_end_open(session, now, requests))


def settle_abandoned(session: Session, now: datetime, *, limit: int) -> int:
    """Let requests wait for a decision again whose change was abandoned. Returns how many."""
    models.lock(session)
    abandoned = select(Change.id).where(Change.state == change_models.ChangeState.ABANDONED)
    found = session.scalars(
        select(DomainRequest)
        .where(DomainRequest.state == RequestState.ACCEPTED, DomainRequest.change_id.in_(abandoned))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for request in found:
        _wait_again(request, now)
    session.flush()
    return len(found)


def expire(session: Session, now: datetime, *, limit: int) -> int:
    """End requests with which nobody did anything for 180 days. Returns how many.

    One that was put off ends no sooner than that.
    """
    models.lock(session)
    is_put_off = DomainRequest.later_until.is_not(None) & (DomainRequest.later_until > now)
    found = session.scalars(
        select(DomainRequest)
        .where(DomainRequest.state.in_(UNDECIDED), DomainRequest.changed_at < now - EXPIRES_AFTER)
        .where(~is_put_off)
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
    rows.delete(session, DomainMessage, DomainMessage.request_id.in_(over))
    rows.delete(session, DomainProof, DomainProof.request_id.in_(over))
    session.flush()
    return len(found)


def _end_open(
    session: Session,
    now: datetime,
    requests: Iterable[DomainRequest],
    change: Change | None = None,
) -> list[DomainRequest]:
    """End those of these requests whose domains are open; the mails leave one after the other."""
    ordered = sorted(requests, key=lambda each: each.number)
    decides = in_force.find_rules(session, now, [each.domain for each in ordered])
    ended, told = [], 0
    for request in ordered:
        state = in_force.state_by(decides.get(request.domain))
        if state is None:
            continue
        request.state = state
        if change is not None:
            request.change_id = change.id
            request.decided_by = request.decided_by or change.approved_by
        request.decided_at = request.decided_at or now
        request.ended_at = request.changed_at = now
        session.flush()
        if models.find_proof(session, request.id) is not None:
            proofs.look_again(session, now, request)
        told += deciding.tell_decision(session, now, request, behind=told)
        ended.append(request)
    return ended


def _wait_again(request: DomainRequest, now: datetime) -> None:
    request.state, request.change_id = RequestState.OPEN, None
    request.decided_at = request.decided_by = None
    request.changed_at = now
