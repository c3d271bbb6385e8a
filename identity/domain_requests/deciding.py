"""What operators do with a request: accept it into a change of rules, refuse, ask back, put it off.

Requests that were merged are decided together. Of two operators at once the second is told who was
faster, and changes nothing.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.core import journal, rows
from identity.core.journal import Actor
from identity.core.journal_places import of_domain
from identity.core.personal_data import mask_names
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.operators.roles import ALL, Scope
from identity.problems import (
    DomainLooksAlike,
    DomainRequestDecided,
    NoSuchDomainRequest,
    NotPermitted,
    WrongParameter,
)
from identity.rule_changes import changes
from identity.rule_changes.change_models import Change, Origin

from . import in_force, models, open_names, proofs
from .models import (
    UNDECIDED,
    DomainMessage,
    DomainRequest,
    DomainRequester,
    Refusal,
    RequestState,
)
from .service import on_a_line, on_lines

MAX_DIGITS: Final = 9  # of the number of a request
MAX_NOTE: Final = 200  # characters
MAX_QUESTION: Final = 500  # characters
ASKED_AT_ONCE: Final = 10  # people who are mailed a question, the first who asked
CLOSED_FOR: Final = timedelta(days=365)
REOPENED: Final = (
    *(RequestState.ACCEPTED, RequestState.OPENED, RequestState.REDIRECTED),
    RequestState.REFUSED,
)
"""The states from which operators let a request wait again."""
PACE: Final = timedelta(seconds=18)  # between two mails about one decision: 200 an hour


def read_number(typed: str) -> int | None:
    """The number in `D-173`, or in `173`; None for anything else."""
    digits = typed.strip().upper().removeprefix("D-")
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
    return int(digits) if is_number else None


def required(session: Session, number: int, scope: Scope = ALL) -> DomainRequest:
    """The request D-`number`. Raises NoSuchDomainRequest, also for one outside the scope."""
    found = models.find(session, number)
    if found is None or not covers(scope, found):
        raise NoSuchDomainRequest(f"There is no request D-{number}.")
    return found


def covers(scope: Scope, request: DomainRequest) -> bool:
    """Whether a request lies within a scope: by the most similar open domain."""
    return scope.is_all or (
        bool(request.near)
        and scope.covers(homeserver=request.near_homeserver, organisation=request.near_organisation)
    )


def accept(
    session: Session,
    rules: RuleSet,
    now: datetime,
    who: Actor,
    request: DomainRequest,
    *,
    homeserver: str | None = None,
    sibling_of: str | None = None,
    organisation: str = "",
    into: Change | None = None,
    typed: str = "",
    scope: Scope = ALL,
    operator_id: uuid.UUID | None = None,
) -> Change:
    """Put a rule for the domain into a draft, a new one or `into`, and let it be checked.

    `homeserver`, or `sibling_of` for a domain whose people use another one. `typed`: the domain, as
    the operator typed it, where it looks like an open one. Raises DomainRequestDecided,
    DomainLooksAlike, NotPermitted, WrongParameter, NotNow, StaleDraft, UnknownHomeserver.
    """
    # Before the lock, which everybody who asks waits for: the first look reads all rules.
    similar = {} if sibling_of else _find_similar(rules, _with_merged(session, request))
    models.lock(session)
    together = _together(session, request)
    if (homeserver is None) == (sibling_of is None):
        raise WrongParameter(
            "Name a homeserver, or the domain of which it is a sibling.", field="homeserver"
        )
    if sibling_of is not None:
        _check_sibling(rules, sibling_of)
    if homeserver and not scope.covers(homeserver=homeserver, organisation=organisation):
        raise NotPermitted("This homeserver lies outside what you look after.")
    if not sibling_of:  # one may have been merged meanwhile
        similar |= _find_similar(rules, [each for each in together if each.domain not in similar])
    for each in together:
        alike = similar.get(each.domain)
        if alike and typed.strip().lower() != each.domain:
            raise DomainLooksAlike(each.domain, alike)
    put = [
        Rule(
            RuleKind.DOMAIN,
            each.domain,
            AccountClass.AGENT,
            homeserver,
            requires_invite=False,
            organisation=organisation,
            sibling_of=sibling_of,
            note=each.label,
        )
        for each in together
    ]
    change = _put_into(
        session, now, who, request, put, into=into, scope=scope, operator_id=operator_id
    )
    for each in together:
        _decide(session, now, who, each, RequestState.ACCEPTED, change_id=change.id)
        if models.find_proof(session, each.id) is not None:
            proofs.look_again(session, now, each)
        facts = {"change": change.label, "homeserver": homeserver, "sibling_of": sibling_of}
        _write(session, now, who, "accept", each, **facts)
    changes.order_check(session, now, who, change)
    return change


def refuse(
    session: Session,
    now: datetime,
    who: Actor,
    request: DomainRequest,
    *,
    refusal: Refusal,
    note: str = "",
    for_a_year: bool = False,
) -> None:
    """Refuse it, and mail everybody who asked. `for_a_year`: nobody can ask again meanwhile.

    Raises DomainRequestDecided, WrongParameter.
    """
    models.lock(session)
    note = mask_names(on_a_line(note))
    if len(note) > MAX_NOTE:
        raise WrongParameter(f"The note may have {MAX_NOTE} characters at most.", field="note")
    told = 0
    for each in _together(session, request):
        _decide(
            session,
            now,
            who,
            each,
            RequestState.REFUSED,
            refusal=refusal,
            note=note,
            ended_at=now,
            closed_until=now + CLOSED_FOR if for_a_year else None,
        )
        told += tell_decision(session, now, each, behind=told)
        _write(session, now, who, "refuse", each, refusal=refusal, for_a_year=for_a_year)


def ask_back(
    session: Session, now: datetime, who: Actor, request: DomainRequest, question: str
) -> int:
    """Ask those who asked first, by mail; everybody who asked can answer on their page.

    The same question twice, as by a double click, is asked once. Returns how many are mailed.
    Raises DomainRequestDecided, WrongParameter.
    """
    models.lock(session)
    question = on_lines(question)
    if not question or len(question) > MAX_QUESTION:
        raise WrongParameter(f"A question has 1 to {MAX_QUESTION} characters.", field="question")
    newest = models.find_newest_message(session, request.id)
    if newest and newest.author == who.name and newest.text == question:
        return 0
    own = (DomainRequest.id == request.id, DomainRequest.state.in_(UNDECIDED))
    if not rows.update(session, DomainRequest, *own, state=RequestState.ASKED, changed_at=now):
        raise _decided(session, request)
    session.refresh(request)
    session.add(
        DomainMessage(
            id=uuid.uuid4(), request_id=request.id, author=who.name, text=question, at=now
        )
    )
    mailed = _still_waiting(session, request)[:ASKED_AT_ONCE]
    for each in mailed:
        _mail(session, now, Template.DOMAIN_QUESTION, each)
    _write(session, now, who, "ask", request, mailed=len(mailed))
    return len(mailed)


def merge(
    session: Session, now: datetime, who: Actor, request: DomainRequest, into: DomainRequest
) -> None:
    """Let a request be decided together with another one.

    Raises WrongParameter: with itself, or with one that was merged. Raises DomainRequestDecided.
    """
    models.lock(session)
    for each in (request, into):
        session.refresh(each)
    if into.id == request.id or models.find_leader(session, into) is not None:
        raise WrongParameter(f"{request.label} cannot be merged into {into.label}.", field="into")
    for each in (request, into):
        if each.state not in UNDECIDED:
            raise _decided(session, each)
    into.merged_into = None  # what it was merged into is decided
    for each in (request, *models.find_merged(session, request)):
        each.merged_into, each.changed_at = into.id, now
    session.flush()
    _write(session, now, who, "merge", request, into=into.label)


def put_off(
    session: Session, now: datetime, who: Actor, request: DomainRequest, until: datetime
) -> None:
    """Leave it out of what waits until then. Raises DomainRequestDecided, WrongParameter."""
    if until <= now:
        raise WrongParameter("This moment has passed.", field="until")
    own = (DomainRequest.id == request.id, DomainRequest.state.in_(UNDECIDED))
    if not rows.update(session, DomainRequest, *own, later_until=until, changed_at=now):
        raise _decided(session, request)
    session.refresh(request)
    _write(session, now, who, "put_off", request, until=until.isoformat(timespec="seconds"))


def reopen(session: Session, now: datetime, who: Actor, request: DomainRequest) -> None:
    """Let it wait for a decision again, as when its change was abandoned or rolled back.

    Raises DomainRequestDecided: it waits already, or another request for the domain does, or the
    domain is open.
    """
    models.lock(session)
    pending = models.find_pending(session, request.domain)
    if pending is not None and pending.id != request.id:
        raise DomainRequestDecided(pending.label, pending.state)
    rule = in_force.find_rules(session, now, [request.domain]).get(request.domain)
    if state := in_force.state_by(rule):
        raise DomainRequestDecided(request.label, state)
    _decide(
        session,
        now,
        who,
        request,
        RequestState.OPEN,
        before=REOPENED,
        change_id=None,
        decided_at=None,
        decided_by=None,
        ended_at=None,
        refusal=None,
        closed_until=None,
    )
    for each in models.find_requesters(session, request.id):
        each.told_at = None
    _write(session, now, who, "reopen", request)


def record_shown(session: Session, now: datetime, who: Actor, request: DomainRequest) -> None:
    """A row of the journal: an operator read the addresses of those who asked."""
    _write(session, now, who, "show_people", request)


def tell_decision(
    session: Session, now: datetime, request: DomainRequest, *, behind: int = 0
) -> int:
    """Order the mail about the decision for everybody who waits, 200 an hour. Returns how many.

    `behind`: how many mails about other requests leave before, by the same decision.
    """
    waiting = [each for each in _still_waiting(session, request) if each.told_at is None]
    for place, each in enumerate(waiting, behind):
        each.told_at = now
        _mail(session, now, Template.DOMAIN_DECISION, each, after=now + place * PACE)
    session.flush()
    return len(waiting)


def _put_into(
    session: Session,
    now: datetime,
    who: Actor,
    request: DomainRequest,
    put: Sequence[Rule],
    *,
    into: Change | None,
    scope: Scope,
    operator_id: uuid.UUID | None,
) -> Change:
    if into is None:
        return changes.make(
            session,
            now,
            who,
            title=f"{request.label}: {', '.join(rule.pattern for rule in put)}",
            operator_id=operator_id,
            origin=Origin.REQUEST,
            put=put,
            scope=scope,
        )
    for rule in put:
        changes.put_line(session, now, who, into, rule, version=into.version, scope=scope)
    return into


def _together(session: Session, request: DomainRequest) -> list[DomainRequest]:
    """The request and those merged into it, all of them undecided."""
    session.refresh(request)
    if request.state not in UNDECIDED:
        raise _decided(session, request)
    return _with_merged(session, request)


def _with_merged(session: Session, request: DomainRequest) -> list[DomainRequest]:
    merged = models.find_merged(session, request)
    return [request, *(each for each in merged if each.state in UNDECIDED)]


def _find_similar(rules: RuleSet, requests: Sequence[DomainRequest]) -> dict[str, list[str]]:
    """By domain, the open ones that it cannot be told from."""
    return {each.domain: open_names.looks_like(each.domain, rules) for each in requests}


def _decide(
    session: Session,
    now: datetime,
    who: Actor,
    request: DomainRequest,
    after: RequestState,
    *,
    before: Sequence[RequestState] = UNDECIDED,
    **values: object,
) -> None:
    session.flush()
    own = (DomainRequest.id == request.id, DomainRequest.state.in_(before))
    facts = {"decided_at": now, "decided_by": who.name, "changed_at": now, "later_until": None}
    if not rows.update(session, DomainRequest, *own, state=after, **(facts | values)):
        raise _decided(session, request)
    session.refresh(request)


def _check_sibling(rules: RuleSet, domain: str) -> None:
    found = rules.rule_of_domain(domain)
    if found is None or found.requires_invite or found.sibling_of:
        raise WrongParameter(f"{domain} is not open to agents.", field="sibling_of")


def _still_waiting(session: Session, request: DomainRequest) -> list[DomainRequester]:
    found = models.find_requesters(session, request.id)
    return [each for each in found if each.withdrawn_at is None and "@" in each.address]


def _mail(
    session: Session,
    now: datetime,
    template: Template,
    requester: DomainRequester,
    *,
    after: datetime | None = None,
) -> None:
    mails.lock_address(session, requester.address)
    free_at = mails.earliest_by_bounds(session, now, requester.address, template)
    mails.order(
        session,
        now,
        template=template,
        address=requester.address,
        language=requester.language,
        subject_id=requester.id,
        due_at=max(free_at, after or now),
    )


def _write(
    session: Session, now: datetime, who: Actor, act: str, request: DomainRequest, **facts: object
) -> None:
    action, places = f"request.{act}", of_domain(request.domain)
    journal.write(
        session, now, who, action=action, subject=request.label, facts=facts, places=places
    )


def _decided(session: Session, request: DomainRequest) -> DomainRequestDecided:
    session.refresh(request)
    return DomainRequestDecided(request.label, request.state, request.decided_by)
