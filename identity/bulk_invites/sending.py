"""Sends rows of a bulk invite: stores the invitation, places it in the room, orders its mail.

The mail is ordered last, once the room holds the invitation.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.core import continuity
from identity.core.keyed_hashes import KeyedHashes
from identity.core.sealing import Vault
from identity.invitations import (
    inviters,
    models as third_party_invitations,
    request_facts,
    room_agreement,
    service as invitations,
    store_invite,
)
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.request_facts import RequestFacts
from identity.invitations.store_invite import InviteRequest
from identity.keys import service as signing_keys
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.threepids import associations

from . import models as bulk_invites
from .models import BulkInvite, BulkInviteRow, Step


@dataclass(frozen=True)
class Placing:
    """What to ask the homeserver for: to invite a known user, or to place an invitation."""

    user_id: str | None = None
    token: str = ""
    keys: dict[str, Any] | None = None


def prepare_row(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    bulk_invite: BulkInvite,
    row: BulkInviteRow,
    vault: Vault,
    public_url: str,
) -> Placing:
    """Store the invitation of this row; the same row again finds it, with the same token.

    Raises NotAllowed, TooManyInvitations, InvitationsPaused.
    """
    address = EmailAddress.stored(row.address or "")
    mails.lock_address(session, address.canonical)  # nobody binds it meanwhile
    bound = associations.find_by_address(session, address.canonical)
    if bound is not None:
        return Placing(user_id=bound.user_id)
    key = signing_keys.current_key(session, vault, now)
    request = InviteRequest(
        address.canonical, address, bulk_invite.room_id, bulk_invite.owner, is_placed_by_us=True
    )
    invitation = store_invite.store(
        session,
        rules,
        now,
        invited=request,
        key=store_invite.new_ephemeral_key(vault),
        signing_key_id=key.key_id,
    )
    row.invitation_id = invitation.id
    lasting = signing_keys.find_public_key(session, invitation.signing_key_id) or key.public
    return _placing(invitation, lasting, public_url)


def prepare_rows(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    bulk_invite: BulkInvite,
    rows: Sequence[BulkInviteRow],
    vault: Vault,
    public_url: str,
) -> dict[uuid.UUID, Placing]:
    """Do for these rows, under the locks of their addresses, what `prepare_row` does for one.

    Those whom something hinders are left out, as is whoever has an invitation by another request.
    """
    addresses = {row.id: EmailAddress.stored(row.address or "") for row in rows}
    facts = request_facts.find_all(
        session,
        now,
        sender=bulk_invite.owner,
        room_id=bulk_invite.room_id,
        addresses={
            each.canonical: rules.decide(each).homeserver or "" for each in addresses.values()
        },
        reported=inviters.UNKNOWN_WINDOW,
    )
    placings: dict[uuid.UUID, Placing] = {}
    asked: list[tuple[InviteRequest, RequestFacts]] = []
    for row_id, address in addresses.items():
        known = facts[address.canonical]
        if known.bound is not None:
            placings[row_id] = Placing(user_id=known.bound)
        else:
            request = InviteRequest(
                address.canonical,
                address,
                bulk_invite.room_id,
                bulk_invite.owner,
                is_placed_by_us=True,
            )
            asked.append((request, known))
    key = next(iter(facts.values())).signing_key
    if key is None:  # the first one is made by whoever goes by itself
        return placings
    made = store_invite.store_new(
        session,
        rules,
        now,
        asked=asked,
        begun={row.invitation_id for row in rows},
        new_key=partial(store_invite.new_ephemeral_key, vault),
        signing_key_id=key.key_id,
    )
    for row in rows:
        if invitation := made.get(addresses[row.id].canonical):
            row.invitation_id = invitation.id
            placings[row.id] = _placing(invitation, key.public, public_url)
    session.flush()
    return placings


def _placing(invitation: ThirdPartyInvitation, lasting: str, public_url: str) -> Placing:
    keys = store_invite.keys_of(invitation, lasting, public_url)
    # As Synapse writes the event after store-invite: the first key stands at the top as well.
    return Placing(token=invitation.token, keys=keys | keys["public_keys"][0])


def record_placed(
    session: Session,
    now: datetime,
    list_id: uuid.UUID,
    placed: Mapping[uuid.UUID, bool],
    hashes: KeyedHashes,
) -> None:
    """The room holds these rows: order their mails, unless an address was mailed lately.

    `placed`: whether each was in the room already. With the last row the bulk invite is done.
    """
    bulk_invite = bulk_invites.lock(session, list_id)
    rows = bulk_invites.find_rows(session, placed)
    for row in rows:
        row.step, row.sent_at = Step.MEMBER if placed[row.id] else Step.INVITED, now
        row.why = row.later_at = None
    session.flush()
    ids = [row.invitation_id for row in rows if row.invitation_id is not None]
    if ids:
        room_agreement.confirm_all(session, now, ids, hashes)
    finish_if_last(session, now, bulk_invite)


def record_failed(session: Session, now: datetime, row: BulkInviteRow, why: str) -> None:
    """The row cannot be sent: an invitation that was never mailed is revoked."""
    bulk_invite = bulk_invites.lock(session, row.list_id)
    row.step, row.why, row.later_at = Step.FAILED, why, None
    session.flush()
    revoke_unmailed(session, now, row, by=bulk_invite.owner)
    finish_if_last(session, now, bulk_invite)


def revoke_unmailed(session: Session, now: datetime, row: BulkInviteRow, *, by: str) -> None:
    """Revoke the invitation of a row that is not sent, unless its address was mailed about it."""
    invitation = _invitation(session, row)
    if invitation is not None and invitations.last_mailed_at(session, invitation) is None:
        invitations.revoke(session, now, invitation, by=by)


def _invitation(session: Session, row: BulkInviteRow) -> ThirdPartyInvitation | None:
    if row.invitation_id is None:
        return None
    return third_party_invitations.find(session, row.invitation_id)


def finish_if_last(session: Session, now: datetime, bulk_invite: BulkInvite) -> None:
    """If no row waits any more, the bulk invite is done, and its owner is sent the report."""
    if not bulk_invites.finish(session, bulk_invite.id, now) or not bulk_invite.owner_address:
        return
    if continuity.was_restored_after(session, bulk_invite.started_at or bulk_invite.created_at):
        return  # the report may have been sent before the backup was loaded
    # A waiting report counts the rows when it is written: a second one would say the same.
    if not mails.is_waiting(session, Template.BULK_REPORT, bulk_invite.id):
        mails.order(
            session,
            now,
            template=Template.BULK_REPORT,
            address=bulk_invite.owner_address,
            language=bulk_invite.language,
            subject_id=bulk_invite.id,
        )
