"""What operators stop and let go on from the page of a domain: its sign-ups and invitations, its mails."""

from http import HTTPStatus
from typing import Final

from flask import Response, abort

from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from identity.mail import pausing
from identity.operators.roles import Deed
from identity.web.request_context import services

from . import things
from .frame import form, go_to, say, typed_reason
from .mails import resume
from .operator_session import actor

ANY_KIND: Final = ""


@form("/domains/<name>/freeze", Deed.FREEZE)
def freeze_domain(name: str) -> Response:
    """Nobody signs up with it or is invited to it for some hours; its rule stays as it is."""
    domain, until = _within(name, freezes=True), things.until()
    who = actor(typed_reason())
    with things.staying_on("domain", name=domain), services.database.transaction() as session:
        now, what = services.now(), Frozen.DOMAIN
        freezing.freeze(session, now, who, what, domain=domain, until=until, may_shorten=False)
        things.tell_operators(session, f"{what} {domain}", until)
    say("console.domain.done_freeze")
    return go_to("domain", name=domain)


@form("/domains/<name>/thaw", Deed.THAW)
def thaw_domain(name: str) -> Response:
    """Let its people sign up and be invited again."""
    domain = _within(name, freezes=True)
    with services.database.transaction() as session:
        who = actor(typed_reason())
        done = freezing.thaw(session, services.now(), who, Frozen.DOMAIN, domain=domain)
    say("console.domain.done_thaw" if done else "console.incidents.nothing")
    return go_to("domain", name=domain)


@form("/domains/<name>/pause-mail", Deed.FREEZE)
def pause_mail_of_domain(name: str) -> Response:
    """Keep back the mails to it for some hours."""
    domain, until = _within(name), things.until()
    who = actor(typed_reason())
    with things.staying_on("domain", name=domain), services.database.transaction() as session:
        count = pausing.pause(
            session,
            services.now(),
            who,
            kind=ANY_KIND,
            domain=domain,
            until=until,
            may_shorten=False,
        )
    say("console.mails.done_pause", n=count)
    return go_to("domain", name=domain)


@form("/domains/<name>/resume-mail", Deed.THAW)
def resume_mail_of_domain(name: str) -> Response:
    """Let the mails go that were kept back."""
    domain = _within(name)
    resume(ANY_KIND, domain)
    return go_to("domain", name=domain)


def _within(name: str, *, freezes: bool = False) -> str:
    """The domain as its page names it. 404 for another name, or one outside the scope.

    `freezes`: what is below it lies within as well.
    """
    if things.read_domain(name) != name:
        abort(HTTPStatus.NOT_FOUND)
    (things.check_freeze_within if freezes else things.check_stop_within)(name)
    return name
