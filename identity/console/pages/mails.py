"""/admin/mails: what became of mails, and what can be done about one, or about a kind of them."""

import uuid
from http import HTTPStatus
from typing import Final

from flask import Response, abort, request
from sqlalchemy.orm import Session

from identity.console import scoping
from identity.core import waiting_jobs
from identity.health.views import describe_lanes
from identity.mail import cancelling, operator_changes, pausing, search, views
from identity.mail.models import Mail, MailState
from identity.mail.outcomes import Outcome
from identity.mail.pausing import NothingPaused
from identity.mail.quota import Template
from identity.mail.search import MailFilter
from identity.mail_kinds import kind_of
from identity.operators.roles import Deed
from identity.web.request_context import services

from . import things
from .frame import form, go_to, say, screen, typed_reason
from .operator_session import actor, operator
from .things import show_thing

FILTERS: Final = ("state", "template", "outcome", "domain")


@screen("/mails", Deed.SEE)
def mails() -> Response:
    """The newest mails, and how many wait in each lane."""
    typed = things.filters(*FILTERS)
    tidy = things.without_addresses(typed)
    if tidy != typed:  # nobody's address stays in the URL
        return go_to("mails", **things.kept(tidy))
    state = things.one_of(typed["state"], MailState)
    template = things.one_of(typed["template"], Template)
    wanted = MailFilter(
        state=MailState(state) if state else None,
        template=Template(template) if template else None,
        domain=typed["domain"] or None,
        outcome=things.one_of(typed["outcome"], Outcome),
    )
    with services.database.reading() as session:
        now = services.now()
        within = scoping.mails_within(session, operator().scope)
        page = search.find(session, wanted, within=within, after=request.args.get("after"))
        rows = views.describe_all(session, page.items, is_masked=True)
        lanes = describe_lanes(waiting_jobs.measure(session, now))
        pauses = [views.describe_pause(each) for each in pausing.in_force(session, now)]
    return show_thing(
        "mails",
        rows=rows,
        lanes=lanes,
        pauses=pauses,
        typed_filters=typed,
        states=list(MailState),
        templates=list(Template),
        kinds=pausing.KINDS,
        outcomes=list(Outcome),
        following=things.following(page, typed),
    )


@screen("/mails/<uuid:mail_id>", Deed.SEE)
def mail(mail_id: uuid.UUID) -> Response:
    """One mail; its text is kept nowhere."""
    with services.database.reading() as session:
        row = _find(session, mail_id)
        shown = views.describe(session, row, is_masked=True)
    return show_thing("mail", shown=shown)


@form("/mails/<uuid:mail_id>/retry", Deed.HANDLE_MAIL)
def retry_mail(mail_id: uuid.UUID) -> Response:
    """Try again at once."""
    with services.database.transaction() as session:
        row, who = _find(session, mail_id), actor(typed_reason())
        done = operator_changes.retry(session, services.now(), who, row)
    say("console.mail.done_retry" if done else "console.mail.nothing")
    return go_to("mail", mail_id=mail_id)


@form("/mails/<uuid:mail_id>/cancel", Deed.HANDLE_MAIL)
def cancel_mail(mail_id: uuid.UUID) -> Response:
    """It is not sent; what it is about goes on."""
    with services.database.transaction() as session:
        row, who = _find(session, mail_id), actor(typed_reason())
        done = cancelling.cancel(
            session, services.hashes, services.now(), [row], who, kind_of=kind_of
        )
    say("console.mail.done_cancel" if done else "console.mail.nothing")
    return go_to("mail", mail_id=mail_id)


@form("/mails/<uuid:mail_id>/allow", Deed.HANDLE_MAIL)
def allow_mail(mail_id: uuid.UUID) -> Response:
    """Write to its address again, though its server said that there is no such mailbox."""
    with services.database.transaction() as session:
        row, who = _find(session, mail_id), actor(typed_reason())
        done = operator_changes.allow(session, services.now(), who, services.hashes, row.address)
    say("console.mail.done_allow" if done else "console.mail.nothing")
    return go_to("mail", mail_id=mail_id)


@form("/mails/pause", Deed.FREEZE)
def pause_mails() -> Response:
    """Keep back mails of a kind, or to a domain, or both, for some hours."""
    named = _kind_and_domain()
    if named is None:
        say("console.mails.pause_what")
        return go_to("mails")
    kind, domain = named
    until = things.until()
    with things.staying_on("mails"), services.database.transaction() as session:
        count = pausing.pause(
            session,
            services.now(),
            actor(typed_reason()),
            kind=kind,
            domain=domain,
            until=until,
            may_shorten=False,
        )
    say("console.mails.done_pause", n=count)
    return go_to("mails")


@form("/mails/resume", Deed.THAW)
def resume_mails() -> Response:
    """End a pause: what it kept back leaves."""
    kind, domain = _kind_and_domain() or ("", "")
    resume(kind, domain)
    return go_to("mails")


def resume(kind: str, domain: str) -> None:
    """Let go what a pause of this kind and domain ("" for any) kept back, and say how many it was."""
    try:
        with services.database.transaction() as session:
            who = actor(typed_reason())
            count = pausing.resume(session, services.now(), who, kind=kind, domain=domain)
    except NothingPaused:
        say("console.mails.no_pause")
    else:
        say("console.mails.done_resume", n=count)


def _kind_and_domain() -> tuple[str, str] | None:
    """What the form pauses, None for neither a kind nor a domain.

    404 for what was not offered, or lies outside the scope.
    """
    kind = request.form.get("kind", "")
    typed = request.form.get("pause_domain", "").strip()
    domain = things.read_domain(typed) if typed else ""
    if kind and kind not in pausing.KINDS:
        abort(HTTPStatus.NOT_FOUND)
    if domain is None or not (kind or domain):
        return None
    things.check_stop_within(domain)
    return kind, domain


def _find(session: Session, mail_id: uuid.UUID) -> Mail:
    found = search.find_within(session, mail_id, scoping.mails_within(session, operator().scope))
    if found is None:
        abort(HTTPStatus.NOT_FOUND)
    return found
