"""Searches invitations by their properties, newest first, page by page."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, func, select, true, tuple_
from sqlalchemy.orm import Session

from identity.core import paging, rows
from identity.core.address_domains import domain_of
from identity.core.outbox import WAITING, Job, JobKind
from identity.core.paging import Page
from identity.core.user_servers import server_of

from . import homeserver_jobs
from .models import OPEN, Delivery, State, ThirdPartyInvitation


@dataclass(frozen=True)
class InvitationFilter:
    """What to look for; None matches everything."""

    state: State | None = None
    delivery: Delivery | None = None
    sender: str | None = None
    room_id: str | None = None
    address: str | None = None
    is_held: bool = False  # its mail waits for confirmation that the room holds it
    domain: str | None = None  # of the invited address, in A-labels
    homeserver: str | None = None  # of the inviter
    undelivered_to: str | None = None  # the homeserver of the invited person, not told yet


@dataclass(frozen=True)
class Cursor:
    """The last invitation of a page: the next page begins after it."""

    created_at: datetime
    invitation_id: uuid.UUID


def find(
    session: Session,
    now: datetime,
    wanted: InvitationFilter,
    *,
    limit: int,
    after: Cursor | None = None,
) -> list[ThirdPartyInvitation]:
    query = (
        select(ThirdPartyInvitation)
        .where(*_conditions(wanted, now))
        .order_by(ThirdPartyInvitation.created_at.desc(), ThirdPartyInvitation.id.desc())
        .limit(limit)
    )
    if after is not None:
        place = tuple_(ThirdPartyInvitation.created_at, ThirdPartyInvitation.id)
        query = query.where(place < (after.created_at, after.invitation_id))
    return list(session.scalars(query))


def find_page(
    session: Session,
    now: datetime,
    wanted: InvitationFilter,
    *,
    within: ColumnElement[bool] | None = None,
    after: str | None = None,
    limit: int = paging.LIMIT,
) -> Page[ThirdPartyInvitation]:
    """A page of these invitations. `within`: what the reader may see. Raises WrongParameter."""
    row = ThirdPartyInvitation
    query = select(row).where(*_conditions(wanted, now), true() if within is None else within)
    return paging.find_page(session, query, (row.created_at, row.id), after=after, limit=limit)


def find_within(
    session: Session, invitation_ids: Collection[uuid.UUID], within: ColumnElement[bool]
) -> Sequence[ThirdPartyInvitation]:
    """Those of these invitations that the reader may see, newest first."""
    row = ThirdPartyInvitation
    query = select(row).where(row.id.in_(invitation_ids), within)
    return session.scalars(query.order_by(row.created_at.desc(), row.id.desc())).all()


def count_held(session: Session, asked_before: datetime) -> int:
    """How many mails have waited since before that time for the room's confirmation."""
    asked_at = func.coalesce(ThirdPartyInvitation.asked_at, ThirdPartyInvitation.created_at)
    return rows.count(session, _is_held(), asked_at < asked_before)


def find_unasked(
    session: Session, asked_before: datetime, *, but_not: Select[uuid.UUID | None]
) -> list[uuid.UUID]:
    """Of those invitations: the ones whose room no job is about to ask, except `but_not`."""
    row = ThirdPartyInvitation
    asked_at = func.coalesce(row.asked_at, row.created_at)
    asked_again = exists().where(Job.subject_id == row.id, Job.kind == JobKind.ROOM_TOOK, WAITING)
    query = select(row.id).where(
        _is_held(), asked_at < asked_before, ~asked_again, row.id.not_in(but_not)
    )
    return list(session.scalars(query))


def count_by_state(session: Session, now: datetime, wanted: InvitationFilter) -> dict[str, int]:
    """How many of these are in each state, those past their time counted as expired."""
    conditions = _conditions(wanted, now)
    found = {state: rows.count(session, *conditions, _stands_in(state, now)) for state in State}
    return {state.value: count for state, count in found.items() if count}


def _conditions(wanted: InvitationFilter, now: datetime) -> list[ColumnElement[bool]]:
    row = ThirdPartyInvitation
    asked = (
        (row.delivery, wanted.delivery),
        (row.sender, wanted.sender),
        (row.room_id, wanted.room_id),
        (row.address, wanted.address),
        (domain_of(row.address), wanted.domain),
        (server_of(row.sender), wanted.homeserver),
    )
    conditions = [column == value for column, value in asked if value is not None]
    if wanted.undelivered_to is not None:
        conditions.append(homeserver_jobs.is_undelivered_to(wanted.undelivered_to))
    if wanted.is_held:
        conditions.append(_is_held())
    return conditions + ([_stands_in(wanted.state, now)] if wanted.state else [])


def _is_held() -> ColumnElement[bool]:
    row = ThirdPartyInvitation
    return row.awaits.is_not(None) & row.ended_at.is_(None) & row.state.in_(OPEN)


def _stands_in(state: State, now: datetime) -> ColumnElement[bool]:
    row = ThirdPartyInvitation
    if state is State.EXPIRED:
        return (row.state == state) | (row.state.in_(OPEN) & (row.expires_at <= now))
    if state in OPEN:
        return (row.state == state) & (row.expires_at > now)
    return row.state == state
