"""What is stored of invitations to a person, by a person, and of what they refused."""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import ColumnElement, literal, or_, select
from sqlalchemy.orm import Session

from identity.core import outbox, rows
from identity.core.outbox import Job, JobKind
from identity.core.personal_data import Erasure, Record, View, happened
from identity.core.story import Events, events
from identity.mail.person import suppression_hashes

from . import block_models, history, service as invitations
from .block_models import InviterBlock
from .history import InvitationEvent
from .lost import LostInvitation
from .models import ThirdPartyInvitation
from .mute_models import Mute
from .record import INVITED
from .states import is_live, state_of


def records_of(view: View) -> Iterator[Record]:
    """Invitations with their history, those to the person first; then muted inviters."""
    for row in _invitations(view, _is_to(view)):
        yield _described(view, row, "invitations", f"invited to {row.room_id} by {row.sender}")
    sent = ThirdPartyInvitation.sender.in_(view.person.user_ids)
    for row in _invitations(view, sent):
        yield _described(view, row, "invitations_of_others", f"invited somebody to {row.room_id}")
    muted = select(Mute).where(Mute.mailbox_hash.in_(suppression_hashes(view)))
    for mute in view.session.scalars(muted.order_by(Mute.since)):
        yield Record(
            "muted_inviters",
            {"inviter": mute.sender, "since": mute.since},
            happened((mute.since, f"“I do not know this person”: {mute.sender}")),
        )
    by_others = select(Mute).where(Mute.sender.in_(view.person.user_ids))
    for mute in view.session.scalars(by_others.order_by(Mute.since)):
        yield Record(
            "muted_by_others",
            {"user_id": mute.sender, "since": mute.since},
            happened((mute.since, f"somebody said that they do not know {mute.sender}")),
        )
    blocked = select(InviterBlock).where(InviterBlock.user_id.in_(view.person.user_ids))
    for block in view.session.scalars(blocked.order_by(InviterBlock.since)):
        yield Record(
            "blocked_as_inviter",
            {"user_id": block.user_id, "since": block.since, "until": block.until},
            happened((block.since, f"{block.user_id} may invite nobody")),
        )
    lost = select(LostInvitation).where(LostInvitation.sender.in_(view.person.user_ids))
    for each in view.session.scalars(lost.order_by(LostInvitation.found_at)):
        yield Record(
            "lost_invitations",
            {"inviter": each.sender, "room": each.room_id, "found_at": each.found_at},
            happened((each.found_at, f"an invitation to {each.room_id} was lost with a backup")),
        )


def events_of(view: View) -> Iterator[Events]:
    """The histories of invitations to and by the person, and who wants none from whom."""
    row, event, users = ThirdPartyInvitation, InvitationEvent, view.person.user_ids
    history_of = event.invitation_id == row.id
    for prefix, which, whom in (
        ("invited-", _is_to(view), row.sender),
        ("inviting-", row.sender.in_(users), row.address),
    ):
        what = literal(prefix) + event.happened
        facts = {"whom": whom, "place": row.room_id, "detail": event.detail}
        yield events(what, event.at, event.id, history_of, which, **facts)
    muted = Mute.mailbox_hash.in_(suppression_hashes(view))
    yield events("inviter-muted", Mute.since, Mute.id, muted, whom=Mute.sender)
    yield events("inviter-disowned", Mute.since, Mute.id, Mute.sender.in_(users))
    block, lost = InviterBlock, LostInvitation
    yield events("inviter-blocked", block.since, block.user_id, block.user_id.in_(users))
    found = lost.sender.in_(users)
    yield events("inviting-lost", lost.found_at, lost.id, found, place=lost.room_id)


def erase(erasure: Erasure) -> None:
    """End what is live, with its history, and take the person's names out of the rest.

    The other party keeps the invitation and its history: to whom it was, or from whom, is gone.
    """
    to_them = _invitations(erasure, _is_to(erasure))
    mine = ThirdPartyInvitation.sender.in_(erasure.person.user_ids)
    by_them = _invitations(erasure, mine)
    _end(erasure, to_them, "to them", in_room=True)
    # Rooms are emptied in the name of the inviter, who is to be forgotten; the keys of an ended
    # invitation are no longer valid, so nobody comes in by what the room holds.
    _end(erasure, by_them, "by them", in_room=False)
    for row in to_them:
        row.address, row.invitee, row.mail_id, row.facts = erasure.placeholder, None, None, {}
        row.last_error = None
    for row in by_them:
        row.sender, row.facts = erasure.user_placeholder(row.sender), {}
    erasure.session.flush()
    erasure.done.count("invitations", len(to_them))
    erasure.done.count("invitations_of_others", len(by_them))
    _forget_names(erasure, to_them, by_them)
    muted = Mute.mailbox_hash.in_(suppression_hashes(erasure))
    erasure.delete("muted_inviters", Mute, muted)
    erasure.delete("muted_by_others", Mute, Mute.sender.in_(erasure.person.user_ids))
    blocked = InviterBlock.user_id.in_(erasure.person.user_ids)
    erasure.delete("blocked_as_inviter", InviterBlock, blocked)
    lost = LostInvitation.sender.in_(erasure.person.user_ids)
    erasure.delete("lost_invitations", LostInvitation, lost)
    for user_id in erasure.person.user_ids:
        outbox.release(erasure.session, erasure.now, block_models.key_of(user_id))


def addresses_invited_by(session: Session, user_ids: Collection[str]) -> Sequence[str]:
    """Whom these users invited, as stored."""
    sender = ThirdPartyInvitation.sender.in_(user_ids)
    return session.scalars(select(ThirdPartyInvitation.address).where(sender).distinct()).all()


def _end(
    erasure: Erasure, found: Sequence[ThirdPartyInvitation], whose: str, *, in_room: bool
) -> None:
    ended = 0
    for row in found:
        if is_live(row, erasure.now):
            ended += invitations.revoke(
                erasure.session, erasure.now, row, by=erasure.by, in_room=in_room
            )
    if ended:
        erasure.done.ended.append(f"{ended} invitations {whose} are revoked")


def _forget_names(
    erasure: Erasure,
    to_them: Sequence[ThirdPartyInvitation],
    by_them: Sequence[ThirdPartyInvitation],
) -> None:
    """Histories go on without the person's user IDs; jobs that would need them end."""
    session = erasure.session
    event = InvitationEvent
    for user_id in erasure.person.user_ids:
        sent = select(ThirdPartyInvitation.id).where(
            ThirdPartyInvitation.sender == erasure.user_placeholder(user_id)
        )
        by = event.by == user_id
        rows.update(
            session, event, by, event.invitation_id.in_(sent), by=erasure.user_placeholder(user_id)
        )
        rows.update(session, event, by, by=INVITED)
        # Invitations of others that this account took up with another address.
        invitee = ThirdPartyInvitation.invitee == user_id
        rows.update(session, ThirdPartyInvitation, invitee, invitee=None)
    for row in (*to_them, *by_them):
        is_needless = Job.kind != JobKind.REVOCATION
        erasure.delete("jobs", Job, Job.subject_id == row.id, is_needless)
    for row in by_them:
        erasure.delete("jobs", Job, Job.subject_id == row.id)


def _is_to(view: View) -> ColumnElement[bool]:
    """Addressed to the person, also after the address was replaced by its pseudonym."""
    row = ThirdPartyInvitation
    named = [*view.person.addresses, *pseudonyms_of(view)]
    return or_(row.address.in_(named), row.invitee.in_(view.person.user_ids))


def pseudonyms_of(view: View) -> list[str]:
    """What stands in place of the person's addresses in invitations that ended long ago."""
    return [
        found
        for address in view.person.addresses
        if (found := view.hashes.find_pseudonym(view.session, address))
    ]


def _invitations(view: View, which: ColumnElement[bool]) -> Sequence[ThirdPartyInvitation]:
    row = ThirdPartyInvitation
    return view.session.scalars(select(row).where(which).order_by(row.created_at, row.id)).all()


def _described(view: View, row: ThirdPartyInvitation, section: str, said: str) -> Record:
    events = history.find_events(view.session, row.id)
    return Record(
        section,
        {
            "id": str(row.id),
            "to": row.address,
            "room": row.room_id,
            "inviter": row.sender,
            "state": state_of(row, view.now).value,
            "delivery": row.delivery,
            "for_a_guest": row.for_guest,
            "since": row.created_at,
            "ends_at": row.expires_at,
            "ended_at": row.ended_at,
            "taken_up_by": row.invitee,
            "shown_in_the_mail": row.facts,
            "history": [
                {"at": e.at, "happened": e.happened, "by": e.by, "detail": e.detail} for e in events
            ],
        },
        tuple((e.at, f"{said}: {e.happened}{_more(e)}") for e in events),
    )


def _more(event: InvitationEvent) -> str:
    return f" ({event.detail})" if event.detail else ""
