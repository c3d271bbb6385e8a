"""/admin/invitations: how far each has come, and what can be done about one, or about several."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Final

from flask import Response, abort, request
from sqlalchemy.orm import Session

from domain_rules.user_ids import homeserver_in
from identity.console import scoping
from identity.core.journal import Actor
from identity.core.personal_data import mask
from identity.invitations import operator_changes, search, views
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.invitations.search import InvitationFilter
from identity.operators.roles import Deed
from identity.problems import Problem
from identity.web.request_context import services

from . import things
from .frame import form, go_to, say, screen, typed_reason
from .operator_session import actor, operator
from .things import show_thing

FILTERS: Final = ("state", "delivery", "held", "domain", "homeserver", "room", "like", "to")
AT_ONCE: Final = 50  # invitations of one form
DAYS: Final = 30  # from now, of an extension

Change = Callable[[Session, datetime, Actor, ThirdPartyInvitation], bool]
CHANGES: Final[dict[str, Change]] = {
    "resend": operator_changes.resend,
    "extend": partial(operator_changes.extend, days=DAYS),
    "revoke": operator_changes.revoke,
    "deliver": operator_changes.deliver,
}


@screen("/invitations", Deed.SEE)
def invitations() -> Response:
    """The newest invitations.

    `like`: the id of one; those of the same inviter are shown. `to`: a homeserver; those that are
    to be delivered there, or could not be.
    """
    typed = things.filters(*FILTERS)
    tidy = things.without_addresses(typed)
    if tidy != typed:  # nobody's address stays in the URL
        return go_to("invitations", **things.kept(tidy))
    with services.database.reading() as session:
        now = services.now()
        within = scoping.invitations_within(session, operator().scope)
        like = _find_all(session, [typed["like"]]) if typed["like"] else []
        if typed["like"] and not like:
            abort(HTTPStatus.NOT_FOUND)
        state = things.one_of(typed["state"], State)
        delivery = things.one_of(typed["delivery"], Delivery)
        wanted = InvitationFilter(
            state=State(state) if state else None,
            delivery=Delivery(delivery) if delivery else None,
            room_id=typed["room"] or None,
            is_held=typed["held"] == "yes",
            domain=typed["domain"] or None,
            homeserver=typed["homeserver"] or None,
            sender=like[0].sender if like else None,
            undelivered_to=typed["to"] or None,
        )
        after = request.args.get("after")
        page = search.find_page(session, now, wanted, within=within, after=after)
        rows = [views.mask_people(row) for row in views.describe_all(session, page.items, now)]
    return show_thing(
        "invitations",
        rows=rows,
        typed_filters=typed,
        inviter=mask(like[0].sender) if like else "",
        states=list(State),
        deliveries=list(Delivery),
        changes=list(CHANGES),
        following=things.following(page, typed),
    )


@screen("/invitations/<uuid:invitation_id>", Deed.SEE)
def invitation(invitation_id: uuid.UUID) -> Response:
    """One invitation, with its history and mails."""
    with services.database.reading() as session:
        row = _find(session, invitation_id)
        shown = views.describe_whole(session, row, services.now(), is_masked=True)
        homeserver = homeserver_in(row.sender)
    return show_thing("invitation", shown=shown, homeserver=homeserver, changes=list(CHANGES))


@form("/invitations/<uuid:invitation_id>", Deed.HANDLE_INVITATION)
def change_invitation(invitation_id: uuid.UUID) -> Response:
    """Do what was chosen to one."""
    change = _chosen()
    with services.database.transaction() as session:
        row, who = _find(session, invitation_id), actor(typed_reason())
        done = CHANGES[change](session, services.now(), who, row)
    say(f"console.invitation.done.{change}" if done else "console.invitation.nothing")
    return go_to("invitation", invitation_id=invitation_id)


@form("/invitations/several", Deed.SEE)
def choose_invitations() -> Response:
    """The exact list of those that were ticked, before anything is done to them."""
    change, ticked = _chosen(), request.form.getlist("id")
    with services.database.reading() as session:
        found = _find_all(session, ticked[:AT_ONCE])
        rows = [
            views.mask_people(row) for row in views.describe_all(session, found, services.now())
        ]
    if not rows:
        say("console.invitations.none_ticked")
        return go_to("invitations")
    return show_thing("invitations_several", rows=rows, change=change)


@form("/invitations/several/do", Deed.HANDLE_INVITATION)
def change_invitations() -> Response:
    """Do it to each, in transactions of their own: what fails for one is told, the others go on."""
    change = _chosen()
    with services.database.reading() as session:
        found = [row.id for row in _find_all(session, request.form.getlist("id")[:AT_ONCE])]
    done = sum(_change_one(change, each) for each in found)
    say("console.invitations.done", n=done, all=len(found))
    return go_to("invitations")


def _change_one(change: str, invitation_id: uuid.UUID) -> bool:
    try:
        with services.database.transaction() as session:
            found, who = _find_all(session, [str(invitation_id)]), actor(typed_reason())
            return any(CHANGES[change](session, services.now(), who, row) for row in found)
    except Problem:
        return False


def _chosen() -> str:
    """What the form does; 404 for what was not offered."""
    change = request.form.get("change", "")
    if change not in CHANGES:
        abort(HTTPStatus.NOT_FOUND)
    return change


def _find(session: Session, invitation_id: uuid.UUID) -> ThirdPartyInvitation:
    within = scoping.invitations_within(session, operator().scope)
    found = search.find_within(session, [invitation_id], within)
    if not found:
        abort(HTTPStatus.NOT_FOUND)
    return found[0]


def _find_all(session: Session, typed: Sequence[str]) -> Sequence[ThirdPartyInvitation]:
    """Those of these ids that are known and in the scope."""
    ids = things.read_ids(typed)
    within = scoping.invitations_within(session, operator().scope)
    return search.find_within(session, ids, within) if ids else []
