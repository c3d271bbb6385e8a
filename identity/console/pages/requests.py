"""/admin/requests: who asks for which domain, what speaks for it, and the decision."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import parse_domain
from domain_rules.display import display_domain
from identity.core.dates import Dates
from identity.domain_requests import deciding, open_names, service, views
from identity.domain_requests.models import (
    PENDING,
    UNDECIDED,
    DomainRequest,
    Refusal,
    RequestState,
)
from identity.homeservers import models as homeservers
from identity.mail.rendering import render_mail
from identity.operators.roles import Deed
from identity.problems import DomainLooksAlike, DomainRequestDecided, Problem, WrongParameter
from identity.rule_changes import changes
from identity.rule_changes.change_models import EDITABLE, Change
from identity.translations import LANGUAGES
from identity.web.rendering import Fault
from identity.web.request_context import services
from identity.web.wording import clock, text

from .frame import form, go_to, say, screen, show, typed_reason
from .operator_session import actor, operator

FILTERS: Final = ("open", "asked", "accepted", "decided")
LATER_DAYS: Final = (7, 30, 90)


@screen("/requests", Deed.SEE)
def requests() -> Response:
    """The requests of a state, the oldest or the most wanted first."""
    which = request.args.get("state", "open")
    sort = request.args.get("sort", "oldest" if which != "decided" else "newest")
    if which not in FILTERS or sort not in views.SORTS:
        raise WrongParameter
    with services.database.reading() as database:
        page = views.find_page(
            database,
            services.now(),
            scope=operator().scope,
            which=which,
            sort=sort,
            after=request.args.get("after"),
        )
        rows = [views.describe(each) for each in page.items]
        proved = views.find_proved(database, page.items)
    return show(
        "requests", rows=rows, proved=proved, following=page.following, which=which, sort=sort
    )


@screen("/requests/D-<int:number>", Deed.SEE)
def request_page(number: int) -> Response:
    """The evidence, who asked (masked), what was said, and what can be done."""
    return _page(number)


@form("/requests/D-<int:number>/people", Deed.SEE_REQUESTERS)
def show_requesters(number: int) -> Response:
    """The same page with the addresses of those who asked; the journal keeps who looked, and why."""
    with services.database.transaction() as database:
        found = _required(database, number)
        deciding.record_shown(database, services.now(), actor(typed_reason()), found)
    return _page(number, masked=False)


@form("/requests/D-<int:number>/evidence", Deed.DRAFT)
def collect_evidence(number: int) -> Response:
    """Let the worker collect the evidence anew."""
    with services.database.transaction() as database:
        service.order_evidence(database, services.now(), _required(database, number))
    say("console.requests.collecting")
    return go_to("request_page", number=number)


@form("/requests/D-<int:number>/accept", Deed.DRAFT)
def accept_request(number: int) -> Response:
    """Put a rule for the domain into a change, go there, and let the worker count whom it affects."""
    with services.database.reading() as database:  # reads all rules before anything is locked
        open_names.looks_like(_required(database, number).domain, services.rules.current())
    try:
        with services.database.transaction() as database:
            change = _accept(database, _required(database, number))
    except DomainLooksAlike as alike:
        fault = text("console.requests.type_it", others=", ".join(alike.others))
        return _page(number, faults=[Fault("typed", fault)], needs_typing=True)
    except DomainRequestDecided as decided:
        return _say_decided(number, decided)
    except Problem as problem:
        return _page(number, faults=[Fault("homeserver", str(problem))])
    say("console.requests.accepted", change=f"C-{change}")
    return go_to("change", number=change)


@form("/requests/D-<int:number>/refuse", Deed.DRAFT)
def refuse_request(number: int) -> Response:
    """Show the mail in both languages first; sent once more, refuse."""
    try:
        refusal = Refusal(request.form.get("refusal", ""))
    except ValueError:
        return _page(number, faults=[Fault("refusal", text("console.requests.choose"))])
    note = " ".join(request.form.get("note", "").split())
    if len(note) > deciding.MAX_NOTE:
        fault = text("my_domain.fault.long", n=deciding.MAX_NOTE)
        return _page(number, faults=[Fault("note", fault)])
    if "confirm" not in request.form:
        return _preview(number, refusal, note)

    def refuse(database: Session, found: DomainRequest) -> None:
        deciding.refuse(
            database,
            services.now(),
            actor(typed_reason()),
            found,
            refusal=refusal,
            note=note,
            for_a_year="for_a_year" in request.form,
        )

    return _do(number, refuse, "console.requests.refused")


@form("/requests/D-<int:number>/ask", Deed.DRAFT)
def ask_requesters(number: int) -> Response:
    """Ask those who want it; they answer on their page."""
    question = request.form.get("question", "")

    def ask(database: Session, found: DomainRequest) -> None:
        deciding.ask_back(database, services.now(), actor(typed_reason()), found, question)

    return _do(number, ask, "console.requests.asked", field="question")


@form("/requests/D-<int:number>/merge", Deed.DRAFT)
def merge_request(number: int) -> Response:
    """Decide it together with another one."""
    into = deciding.read_number(request.form.get("into", ""))
    if into is None:
        return _page(number, faults=[Fault("into", text("console.requests.into_fault"))])

    def merge(database: Session, found: DomainRequest) -> None:
        other = _required(database, into)
        deciding.merge(database, services.now(), actor(typed_reason()), found, other)

    return _do(number, merge, "console.requests.merged", field="into")


@form("/requests/D-<int:number>/later", Deed.DRAFT)
def put_off_request(number: int) -> Response:
    """Leave it out of what waits for some days."""
    typed = request.form.get("days", "")
    if typed not in map(str, LATER_DAYS):
        raise WrongParameter
    until = services.now() + timedelta(days=int(typed))

    def put_off(database: Session, found: DomainRequest) -> None:
        deciding.put_off(database, services.now(), actor(typed_reason()), found, until)

    return _do(number, put_off, "console.requests.put_off")


@form("/requests/D-<int:number>/reopen", Deed.DRAFT)
def reopen_request(number: int) -> Response:
    """Let it wait for a decision again."""

    def reopen(database: Session, found: DomainRequest) -> None:
        deciding.reopen(database, services.now(), actor(typed_reason()), found)

    return _do(number, reopen, "console.requests.reopened")


def _accept(database: Session, found: DomainRequest) -> int:
    """Accept by the fields of the form; the number of the change."""
    sibling = request.form.get("sibling_of", "").strip()
    into = deciding.read_number(request.form.get("into_change", ""))
    change = changes.required(database, into, operator().scope) if into is not None else None
    return deciding.accept(
        database,
        services.rules.current(),
        services.now(),
        actor(typed_reason()),
        found,
        homeserver=None if sibling else request.form.get("homeserver", "") or None,
        sibling_of=_read_domain(sibling) if sibling else None,
        organisation=" ".join(request.form.get("organisation", "").split()),
        into=change,
        typed=request.form.get("typed", ""),
        scope=operator().scope,
        operator_id=operator().operator_id,
    ).number


def _read_domain(typed: str) -> str:
    try:
        return parse_domain(typed)
    except InvalidAddress as error:
        raise WrongParameter(f"{typed!r} is no domain: {error}") from error


def _do(
    number: int, act: Callable[[Session, DomainRequest], None], said: str, *, field: str = "reason"
) -> Response:
    try:
        with services.database.transaction() as database:
            act(database, _required(database, number))
    except DomainRequestDecided as decided:
        return _say_decided(number, decided)
    except WrongParameter as problem:
        return _page(number, faults=[Fault(field, str(problem))])
    say(said, ref=f"D-{number}")
    return go_to("request_page", number=number)


def _say_decided(number: int, decided: DomainRequestDecided) -> Response:
    """Who was faster, when and how: nothing was changed."""
    with services.database.reading() as database:
        found = _required(database, number)
    say(
        "console.requests.already",
        who=decided.by or "?",
        time=clock(found.decided_at or found.changed_at),
        decision=text(f"console.requests.state.{found.state}"),
    )
    return go_to("request_page", number=number)


def _required(database: Session, number: int) -> DomainRequest:
    """The request, within the operator's scope. Raises NoSuchDomainRequest."""
    return deciding.required(database, number, operator().scope)


def _page(
    number: int,
    *,
    masked: bool = True,
    faults: list[Fault] | None = None,
    needs_typing: bool = False,
) -> Response:
    scope = operator().scope
    with services.database.reading() as database:
        found = _required(database, number)
        told = views.describe_whole(database, found, masked=masked)
        may_decide = operator().may(Deed.DRAFT) and found.state in UNDECIDED
        servers = (
            [
                (each.name, each.label)
                for each in homeservers.find_all(database)
                if scope.covers(homeserver=each.name)
            ]
            if may_decide
            else []
        )
        drafts = _find_drafts(database) if may_decide else []
    return show(
        "request",
        faults=faults or (),
        told=told,
        masked=masked,
        may_decide=may_decide,
        may_reopen=found.state in deciding.REOPENED,
        is_pending=found.state in PENDING,
        homeservers=servers,
        drafts=drafts,
        refusals=[each.value for each in Refusal],
        later_days=LATER_DAYS,
        needs_typing=needs_typing or bool(told["looks_like"]),
    )


def _find_drafts(database: Session) -> list[tuple[int, str]]:
    """This operator's own changes that can still be edited."""
    own = (Change.author_id == operator().operator_id, Change.state.in_(EDITABLE))
    found = select(Change).where(*own).order_by(Change.number.desc()).limit(20)
    return [(each.number, each.title) for each in database.scalars(found)]


def _preview(number: int, refusal: Refusal, note: str) -> Response:
    """What people would read, in both languages."""
    with services.database.reading() as database:
        found = _required(database, number)
        told = views.describe(found)
    refused = DomainRequest(
        number=found.number,
        domain=found.domain,
        state=RequestState.REFUSED,
        refusal=refusal,
        note=note,
        changed_at=services.now(),
        ended_at=services.now(),
    )
    return show(
        "request_refusal",
        told=told,
        mails=[(each, _text_of(refused, each)) for each in LANGUAGES],
        carried=[pair for pair in request.form.items() if pair[0] != "csrf_token"],
        people=found.people,
    )


def _text_of(refused: DomainRequest, language: str) -> str:
    settings = services.settings
    facts: dict[str, Any] = {
        "service": settings.service_name,
        "help_url": settings.support_url or f"{settings.public_url}/help",
        "public_url": settings.public_url,
        "ref": refused.label,
        "domain": display_domain(refused.domain),
        "link": f"{settings.public_url}/r/…",
    }
    dates = (Dates(settings.time_zone, language),)
    written = render_mail(
        "domain_decision", dates, settings.templates_dir, facts | views.decision_facts(refused)
    )
    return f"{written.subject}\n\n{written.text}"
