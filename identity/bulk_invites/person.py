"""What is stored of a person in bulk invites: their own lists, and rows in lists of others."""

import uuid
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Select, select

from identity.core.outbox import Job
from identity.core.personal_data import Erasure, Record, View, happened, mask, mentions
from identity.core.story import Events, events

from . import checking, models as bulk_invites, sending
from .models import BulkInvite, BulkInviteColumn, BulkInviteRow, BulkInviteState
from .room_check_models import RoomCheck
from .sign_in_models import BulkInviteSignIn


def records_of(view: View) -> Iterator[Record]:
    """Requests to sign in, lists of their own with masked people, and rows in others' lists."""
    session, person = view.session, view.person
    signed = select(BulkInviteSignIn).where(_is_sign_in_of(view))
    for each in session.scalars(signed.order_by(BulkInviteSignIn.created_at)):
        yield Record(
            "list_sign_ins",
            {
                "address": each.address,
                "user_id": each.user_id,
                "browser": each.device,
                "asked_at": each.created_at,
                "used_at": each.used_at,
            },
            happened(
                (each.created_at, "asked to sign in to /lists"),
                (each.used_at, "signed in to /lists with the code"),
            ),
        )
    own = select(BulkInvite).where(_is_own(view)).order_by(BulkInvite.created_at)
    for bulk_invite in session.scalars(own):
        yield _described(view, bulk_invite)
    listed = select(BulkInviteRow, BulkInvite).join(
        BulkInvite, BulkInvite.id == BulkInviteRow.list_id
    )
    for row, bulk_invite in session.execute(
        listed.where(BulkInviteRow.address.in_(person.addresses)).order_by(BulkInvite.created_at)
    ):
        yield Record(
            "rows_in_lists",
            {
                "list_of": bulk_invite.owner,
                "room": bulk_invite.room_id,
                "typed": row.typed,
                "outcome": row.outcome,
                "step": row.step,
                "why": row.why,
                "listed_at": bulk_invite.created_at,
                "sent_at": row.sent_at,
            },
            happened(
                (bulk_invite.created_at, f"listed by {bulk_invite.owner}: {row.outcome}"),
                (row.sent_at, f"row of that list: {row.step}"),
            ),
        )
    asked = select(RoomCheck).where(RoomCheck.user_id.in_(person.user_ids))
    for check in session.scalars(asked.order_by(RoomCheck.asked_at)):
        yield Record(
            "room_checks",
            {"room": check.room_id, "asked_at": check.asked_at, "answer": check.answer},
            happened((check.asked_at, f"asked about the room {check.room_id}")),
        )


def events_of(view: View) -> Iterator[Events]:
    """Sign-ins to /lists, lists of their own, and rows in lists of others."""
    signed, own, row = BulkInviteSignIn, BulkInvite, BulkInviteRow
    asked = _is_sign_in_of(view)
    yield events("list-sign_in_asked", signed.created_at, signed.id, asked, detail=signed.device)
    yield events("list-signed_in", signed.used_at, signed.id, asked, detail=signed.device)
    mine = _is_own(view)
    yield events("list-checked", own.created_at, own.id, mine, place=own.room_id)
    yield events("list-sent", own.started_at, own.id, mine, place=own.room_id)
    named = (row.list_id == own.id, row.address.in_(view.person.addresses))
    facts = {"whom": own.owner, "place": own.room_id}
    yield events("list-named", own.created_at, row.id, *named, **facts, detail=row.outcome)
    yield events("list-row_sent", row.sent_at, row.id, *named, **facts, detail=row.step)


def erase(erasure: Erasure) -> None:
    """Delete their own lists and their rows in others'. A list that has no row left is done."""
    session, person = erasure.session, erasure.person
    erasure.delete("list_sign_ins", BulkInviteSignIn, _is_sign_in_of(erasure))
    checks = RoomCheck.user_id.in_(person.user_ids)
    erasure.delete("jobs", Job, Job.subject_id.in_(select(RoomCheck.id).where(checks)))
    erasure.delete("room_checks", RoomCheck, checks)
    theirs = BulkInviteRow.address.in_(person.addresses)
    own = select(BulkInvite.id).where(_is_own(erasure))
    in_own = BulkInviteRow.list_id.in_(own)
    # Before any row, in the order of `bulk_invites.lock`.
    jobs_of_rows = select(BulkInviteRow.id).where(theirs | in_own)
    erasure.delete("jobs", Job, Job.subject_id.in_(jobs_of_rows))
    others = _lock_naming(erasure, theirs, own)
    sending_now = own.where(BulkInvite.state.in_(bulk_invites.UNDER_WAY))
    stopped = len(session.scalars(sending_now).all())
    if stopped:
        erasure.done.ended.append(f"{stopped} lists of theirs are not sent to their end")
    erasure.delete("jobs", Job, Job.subject_id.in_(own))
    erasure.delete("rows_of_own_lists", BulkInviteRow, in_own)
    erasure.delete("columns_of_own_lists", BulkInviteColumn, BulkInviteColumn.list_id.in_(own))
    erasure.delete("lists", BulkInvite, _is_own(erasure))
    erasure.delete("rows_in_lists", BulkInviteRow, theirs)
    for bulk_invite in others:
        if bulk_invite.state == BulkInviteState.CHECKED:
            bulk_invite.total = bulk_invite.ready_guests = bulk_invite.ready_agents = None
        elif bulk_invite.state == BulkInviteState.CHECKING:
            # A worker has read the column before, and would bring them back.
            checking.order_work(session, erasure.now, bulk_invite)
        session.flush()
        sending.finish_if_last(session, erasure.now, bulk_invite)


def _lock_naming(
    erasure: Erasure, theirs: ColumnElement[bool], own: Select[uuid.UUID]
) -> list[BulkInvite]:
    """Lock all lists that are theirs or name them. Returns those of others."""
    session = erasure.session
    column = BulkInviteColumn
    named = select(BulkInviteRow.list_id).where(theirs)
    in_columns = select(column.list_id).where(mentions(column.rows, erasure.person))
    mine = set(session.scalars(own))
    found = mine | set(session.scalars(named)) | set(session.scalars(in_columns))
    locked = bulk_invites.lock_all(session, found)
    return [bulk_invite for bulk_invite in locked if bulk_invite.id not in mine]


def _described(view: View, bulk_invite: BulkInvite) -> Record:
    people = bulk_invites.rows_of(view.session, bulk_invite.id)
    return Record(
        "lists",
        {
            "id": str(bulk_invite.id),
            "room": bulk_invite.room_id,
            "room_name": bulk_invite.room_name,
            "file": bulk_invite.file_name,
            "state": bulk_invite.state,
            "report_to": bulk_invite.owner_address,
            "checked_at": bulk_invite.created_at,
            "sent_at": bulk_invite.started_at,
            "ended_at": bulk_invite.ended_at,
            "people": [
                {
                    "address": mask(row.address) if row.address else None,
                    "outcome": row.outcome,
                    "step": row.step,
                }
                for row in people
            ],
        },
        happened(
            (bulk_invite.created_at, f"list of {len(people)} people checked"),
            (bulk_invite.started_at, "that list began to be sent"),
            (bulk_invite.ended_at, "that list was sent"),
        ),
    )


def _is_own(view: View) -> ColumnElement[bool]:
    return view.person.is_in(BulkInvite.owner_address, BulkInvite.owner)


def _is_sign_in_of(view: View) -> ColumnElement[bool]:
    return view.person.is_in(BulkInviteSignIn.address, BulkInviteSignIn.user_id)
