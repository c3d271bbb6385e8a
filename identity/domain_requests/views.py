"""What is told of a request: one dictionary for commands, the API and screens."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from domain_rules.display import display_domain
from identity.core import paging
from identity.core.paging import Page
from identity.core.personal_data import mask, mask_names
from identity.operators.roles import Scope
from identity.rule_changes import change_models

from . import evidence, models, proofs
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

FILTERS = {
    "open": (RequestState.OPEN,),
    "asked": (RequestState.ASKED,),
    "accepted": (RequestState.ACCEPTED,),
    "decided": DECIDED,
    "pending": PENDING,
}
"""What a list may be of: the states."""
SORTS: dict[str, tuple[tuple[InstrumentedAttribute[Any], ...], bool]] = {
    "oldest": ((DomainRequest.created_at, DomainRequest.id), False),
    "newest": ((DomainRequest.created_at, DomainRequest.id), True),
    "wanted": ((DomainRequest.people, DomainRequest.id), True),
    "fewest": ((DomainRequest.people, DomainRequest.id), False),
}
"""The columns of a sort, and whether it begins with the greatest."""
COUNTED = 99  # a badge shows no more


def find_page(
    session: Session,
    now: datetime,
    *,
    scope: Scope,
    which: str = "open",
    sort: str = "oldest",
    after: str | None = None,
    limit: int = paging.LIMIT,
) -> Page[DomainRequest]:
    """The requests of a state within a scope; those put off or merged into another are left out."""
    keys, descending = SORTS[sort]
    query = within(select(DomainRequest), scope).where(DomainRequest.state.in_(FILTERS[which]))
    if which in {"open", "asked"}:
        query = query.where(_is_on_the_table(now))
    return paging.find_page(session, query, keys, after=after, limit=limit, descending=descending)


def find_proved(session: Session, requests: Collection[DomainRequest]) -> set[int]:
    """The numbers of those whose record was there when it was last looked for."""
    if not requests:
        return set()
    numbers = select(DomainRequest.number).join(
        DomainProof, DomainProof.request_id == DomainRequest.id
    )
    is_there = DomainProof.result == proofs.Result.RIGHT
    return set(
        session.scalars(
            numbers.where(DomainRequest.id.in_([each.id for each in requests]), is_there)
        )
    )


def count_waiting(session: Session, now: datetime, *, scope: Scope) -> int:
    """How many wait for a decision, up to 100: more are "99+"."""
    return paging.count_up_to(session, *which_wait(now, scope), most=COUNTED)


def which_wait(now: datetime, scope: Scope) -> tuple[ColumnElement[bool], ...]:
    """SQL conditions for the requests within a scope that wait for a decision now."""
    waiting = (DomainRequest.state.in_(UNDECIDED), _is_on_the_table(now))
    return waiting if scope.is_all else (*waiting, _is_within(scope))


def find_oldest_waiting(session: Session, now: datetime, *, scope: Scope) -> datetime | None:
    """Since when the oldest one waits."""
    waiting = (DomainRequest.state.in_(UNDECIDED), _is_on_the_table(now))
    query = within(select(DomainRequest), scope).where(*waiting)
    found = session.scalars(query.order_by(DomainRequest.created_at).limit(1)).first()
    return found.created_at if found else None


def describe(request: DomainRequest) -> dict[str, Any]:
    """A request in a list: who it is, how much it is wanted, and what the evidence says in short."""
    found = request.evidence
    proposal = evidence.proposal_in(found) if found else None
    return {
        "request": request.label,
        "number": request.number,
        "domain": request.domain,
        "shown": display_domain(request.domain),
        "owner": request.owner,
        "state": request.state,
        "people": request.people,
        "asked_at": request.created_at,
        "evidence_at": request.evidence_at,
        "same_mail_as": found.get("same_mail_as", []),
        "looks_like": [
            each["domain"] for each in found.get("look_alikes", []) if each["likeness"] == "looks"
        ],
        "proposal": proposal,
        "decided_at": request.decided_at,
        "decided_by": request.decided_by,
        "ended_at": request.ended_at,
    }


def describe_whole(
    session: Session, request: DomainRequest, *, masked: bool = True, people: int = 200
) -> dict[str, Any]:
    """Everything of a request. `masked`: whether addresses and phones are hidden."""
    requesters = [
        each
        for each in models.find_requesters(session, request.id, limit=people)
        if each.size  # else they were only counted
    ]
    by_id = {each.id: each for each in requesters}
    related = models.find_related(session, request)
    proof = models.find_proof(session, request.id)
    change = request.change_id and change_models.find_by_id(session, request.change_id)
    into = models.find_leader(session, request)
    return {
        **describe(request),
        "evidence": request.evidence,
        "proof": describe_proof(request, proof) if proof else None,
        "change": {"label": change.label, "number": change.number, "state": change.state}
        if change
        else None,
        "merged_into": into.label if into else None,
        "merged": [each.label for each in related if each.merged_into == request.id],
        "same_owner": [
            {"request": each.label, "domain": each.domain, "state": each.state}
            for each in related
            if each.owner == request.owner
        ],
        "later_until": request.later_until,
        "refusal": request.refusal,
        "note": request.note,
        "closed_until": request.closed_until,
        "requesters": [describe_requester(each, masked=masked) for each in requesters],
        "messages": [
            describe_message(each, by_id, masked=masked)
            for each in models.find_messages(session, request.id)
        ],
    }


def describe_requester(requester: DomainRequester, *, masked: bool = True) -> dict[str, Any]:
    """Somebody who asked, and what they said of themselves."""
    show = mask_names if masked else str
    return {
        "id": str(requester.id),
        "address": mask(requester.address) if masked else requester.address,
        "organisation": show(requester.organisation),
        "position": show(requester.position),
        "size": requester.size,
        "site": show(requester.site),
        "phone": _hidden(requester.phone) if masked else requester.phone,
        "it_contact": _hidden(requester.it_contact) if masked else requester.it_contact,
        "language": requester.language,
        "asked_at": requester.created_at,
        "withdrawn_at": requester.withdrawn_at,
        "told_at": requester.told_at,
    }


def describe_message(
    message: DomainMessage, requesters: dict[Any, DomainRequester], *, masked: bool = True
) -> dict[str, Any]:
    """A question or an answer."""
    author = message.author
    if not author and message.requester_id is not None:
        requester = requesters.get(message.requester_id)
        address = requester.address if requester else ""
        author = mask(address) if masked and address else address
    return {
        "at": message.at,
        "author": author,
        "is_question": bool(message.author),
        "text": mask_names(message.text) if masked else message.text,
    }


def describe_proof(request: DomainRequest, proof: DomainProof) -> dict[str, Any]:
    """The record that is looked for, and what was found of it."""
    return {
        "name": proofs.name_of(request.domain),
        "value": proof.value,
        "result": proof.result,
        "looked_at": proof.looked_at,
        "server": proof.server,
        "found": proof.found,
        "misplaced_at": proofs.misplaced_name_of(request.domain),
        "next_at": proof.next_at,
        "seen_at": proof.seen_at,
        "is_there": proof.result == proofs.Result.RIGHT,
        "ends_at": proof.begun_at + proofs.ENDS_AFTER,
    }


def describe_for_requester(
    session: Session, request: DomainRequest, requester: DomainRequester
) -> dict[str, Any]:
    """What one who asked may read: nothing of others but their number."""
    proof = models.find_proof(session, request.id)
    messages = models.find_messages(session, request.id)
    return {
        "request": request.label,
        "domain": request.domain,
        "shown": display_domain(request.domain),
        "state": request.state,
        "people": request.people,
        "asked_at": requester.created_at,
        "is_examined": request.state != RequestState.OPEN or any(each.author for each in messages),
        "ended_at": request.ended_at,
        "refusal": request.refusal,
        "note": request.note,
        "withdrawn_at": requester.withdrawn_at,
        "proof": describe_proof(request, proof) if proof else None,
        "messages": [
            {"at": each.at, "text": each.text, "is_question": bool(each.author)}
            for each in messages
            if each.author or each.requester_id == requester.id
        ],
    }


def decision_facts(
    request: DomainRequest, *, accepted: str = "", organisation: str = ""
) -> dict[str, Any]:
    """What the mail about a decision says. `accepted`: the domain to use in place of this one."""
    return {
        "outcome": str(request.state),
        "opened_at": request.ended_at or request.changed_at,
        "refusal": request.refusal or "",
        "note": request.note,
        "accepted": display_domain(accepted),
        "organisation": organisation,
    }


def within(query: Select[Any], scope: Scope) -> Select[Any]:
    """The query for requests of this scope alone."""
    return query if scope.is_all else query.where(_is_within(scope))


def _is_within(scope: Scope) -> Any:
    return or_(
        _is_one_of(DomainRequest.near_homeserver, scope.homeservers),
        _is_one_of(DomainRequest.near_organisation, scope.organisations),
    )


def _is_one_of(column: InstrumentedAttribute[str], values: Collection[str]) -> Any:
    return column.in_(sorted(values)) & (column != "")


def _is_on_the_table(now: datetime) -> Any:
    is_due = DomainRequest.later_until.is_(None) | (DomainRequest.later_until <= now)
    leader = aliased(DomainRequest)
    follows = exists().where(leader.id == DomainRequest.merged_into, leader.state.in_(UNDECIDED))
    return (DomainRequest.merged_into.is_(None) | ~follows) & is_due


def _hidden(text: str) -> str:
    return "•••" if text else ""
