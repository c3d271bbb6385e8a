"""`/requests`: people ask for their domain; editors accept, refuse, ask back, merge or put off."""

from typing import Any, Literal

from pydantic import Field
from sqlalchemy.orm import Session

from identity.domain_requests import deciding, service, views
from identity.domain_requests.models import DomainRequest, Refusal
from identity.operators.kept_answers import Answer
from identity.operators.roles import Deed
from identity.problems import StaleDraft
from identity.rule_changes import changes
from identity.web import parameters
from identity.web.json_body import Text
from identity.web.request_context import services

from . import frame, guards, reading

MAX_NAME = 255  # characters of a domain or homeserver
MAX_LABEL = 500


class Acceptance(frame.Said):
    """The body of POST /requests/N/accept: a homeserver, or of which domain it is a sibling.

    `into`: the number of a draft, whose version If-Match names; else one is made. `typed`: the domain once more, where it looks
    like an open one.
    """

    homeserver: Text | None = Field(default=None, max_length=MAX_NAME)
    sibling_of: Text | None = Field(default=None, max_length=MAX_NAME)
    organisation: Text = Field(default="", max_length=MAX_LABEL)
    typed: Text = Field(default="", max_length=MAX_NAME)
    into: int | None = Field(default=None, ge=1, le=2**31 - 1)


class NewRefusal(frame.Said):
    """The body of POST /requests/N/refuse. Everybody who asked is mailed `refusal` and `note`."""

    refusal: Literal[
        "not_ours", "anybody", "unknown_owner", "other_domain", "not_ready", "look_alike"
    ]
    note: Text = Field(default="", max_length=deciding.MAX_NOTE)
    for_a_year: bool = False


class Question(frame.Said):
    """The body of POST /requests/N/ask."""

    question: Text = Field(min_length=1, max_length=deciding.MAX_QUESTION)


class Merge(frame.Said):
    """The body of POST /requests/N/merge: with which other request it is decided."""

    into: int = Field(ge=1, le=2**31 - 1)


class Later(frame.Said):
    """The body of POST /requests/N/later."""

    until: Text


@frame.reads("/requests", Deed.SEE, "which", "sort", *frame.PAGED)
def list_requests(session: Session) -> dict[str, Any]:
    """The requests of one kind, the oldest first unless another order is named."""
    which, sort = parameters.optional("which", "sort")
    reading.named_in("which", which, views.FILTERS)
    reading.named_in("sort", sort, views.SORTS)
    page = views.find_page(
        session,
        services.now(),
        scope=guards.program().scope,
        which=which or "open",
        sort=sort or "oldest",
        **frame.asked_page(),
    )
    return frame.listed(page, views.describe)


@frame.reads("/requests/<int:number>", Deed.SEE)
def show_request(session: Session, number: int) -> dict[str, Any]:
    """One request, with the evidence and those who asked; their addresses are masked."""
    return views.describe_whole(session, _find(session, number), masked=True)


def show_again(session: Session, _first: Answer, number: int) -> Answer:
    """Those who asked, as they are now, where they were shown before."""
    return _with_people(session, _find(session, number))


@frame.writes("/requests/<int:number>/people", Deed.SEE_REQUESTERS, frame.Said, again=show_again)
def show_requesters(session: Session, given: frame.Said, number: int) -> Answer:
    """The request with the addresses of those who asked; the journal keeps who looked, and why."""
    found = _find(session, number)
    deciding.record_shown(session, services.now(), guards.actor(given.reason), found)
    return _with_people(session, found)


@frame.writes("/requests/<int:number>/evidence", Deed.DRAFT, frame.Said)
def collect_evidence(session: Session, _given: frame.Said, number: int) -> Answer:
    """Let the worker collect the evidence anew."""
    found = _find(session, number)
    service.order_evidence(session, services.now(), found)
    shown = views.describe_whole(session, found, masked=True)
    return frame.under_way(shown, f"/requests/{found.number}")


@frame.writes("/requests/<int:number>/accept", Deed.DRAFT, Acceptance)
def accept_request(session: Session, given: Acceptance, number: int) -> Answer:
    """Put a rule for it into a draft, which is checked; people hear of it once that is applied."""
    caller, found = guards.program(), _find(session, number)
    into = changes.required(session, given.into, caller.scope) if given.into else None
    if into is not None and into.version != frame.expected_version():
        raise StaleDraft(into.version)
    change = deciding.accept(
        session,
        services.rules.current(),
        services.now(),
        guards.actor(given.reason),
        found,
        homeserver=given.homeserver,
        sibling_of=given.sibling_of and reading.domain("sibling_of", given.sibling_of),
        organisation=given.organisation,
        into=into,
        typed=given.typed,
        scope=caller.scope,
        operator_id=caller.operator_id,
    )
    shown = views.describe_whole(session, found, masked=True)
    return frame.under_way(shown, f"/changes/{change.number}/check", version=change.version)


@frame.writes("/requests/<int:number>/refuse", Deed.DRAFT, NewRefusal)
def refuse_request(session: Session, given: NewRefusal, number: int) -> Answer:
    """Refuse it, and mail everybody who asked."""
    found, now = _find(session, number), services.now()
    refusal = Refusal(given.refusal)
    deciding.refuse(
        session,
        now,
        guards.actor(given.reason),
        found,
        refusal=refusal,
        note=given.note,
        for_a_year=given.for_a_year,
    )
    return _answer(session, found)


@frame.writes("/requests/<int:number>/ask", Deed.DRAFT, Question)
def ask_back(session: Session, given: Question, number: int) -> Answer:
    """Ask those who asked first, by mail."""
    found, who = _find(session, number), guards.actor(given.reason)
    deciding.ask_back(session, services.now(), who, found, given.question)
    return _answer(session, found)


@frame.writes("/requests/<int:number>/merge", Deed.DRAFT, Merge)
def merge_request(session: Session, given: Merge, number: int) -> Answer:
    """Decide it together with another one."""
    found, into = _find(session, number), _find(session, given.into)
    deciding.merge(session, services.now(), guards.actor(given.reason), found, into)
    return _answer(session, found)


@frame.writes("/requests/<int:number>/later", Deed.DRAFT, Later)
def put_off(session: Session, given: Later, number: int) -> Answer:
    """Leave it out of what waits until then."""
    found, until = _find(session, number), reading.moment("until", given.until)
    deciding.put_off(session, services.now(), guards.actor(given.reason), found, until)
    return _answer(session, found)


@frame.writes("/requests/<int:number>/reopen", Deed.DRAFT, frame.Said)
def reopen_request(session: Session, given: frame.Said, number: int) -> Answer:
    """Let it wait for a decision again."""
    found = _find(session, number)
    deciding.reopen(session, services.now(), guards.actor(given.reason), found)
    return _answer(session, found)


def _find(session: Session, number: int) -> DomainRequest:
    """The request, if it lies within the token's scope. Raises NoSuchDomainRequest."""
    return deciding.required(session, number, guards.program().scope)


def _answer(session: Session, found: DomainRequest) -> Answer:
    return frame.done(views.describe_whole(session, found, masked=True))


def _with_people(session: Session, found: DomainRequest) -> Answer:
    return frame.done(views.describe_whole(session, found, masked=False))
