"""One row of a list of people is sent: the invitation is kept, stands in the room, and only then its mail is ordered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.core import signatures as signing
from identity.core.keyed_hashes import KeyedHashes
from identity.core.sealing import Vault
from identity.invitations import models as third_party_invitations
from identity.invitations import room_agreement, store_invite
from identity.invitations import service as invitations
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.store_invite import EphemeralKey, Invited
from identity.keys import service as signing_keys
from identity.mail import models as mails
from identity.mail.models import Template
from identity.threepids import associations

from . import models as stored
from .models import BulkInvite, BulkInviteRow, Step

V2 = "/_matrix/identity/v2"


@dataclass(frozen=True)
class Placing:
    """What the homeserver is to be asked: to invite a user it knows, or to keep an invitation in the room."""

    user_id: str | None = None
    token: str = ""
    keys: dict[str, Any] | None = None


def prepare(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    made: BulkInvite,
    row: BulkInviteRow,
    vault: Vault,
    public_url: str,
) -> Placing:
    """Keep the invitation of this row; the same row once more finds the same one, with the same token.

    Raises NotAllowed, TooManyInvitations, InvitationsPaused.
    """
    address = EmailAddress.stored(row.address or "")
    mails.lock_address(session, address.canonical)  # nobody binds it between the look and the store
    bound = associations.of_address(session, address.canonical)
    if bound is not None:
        return Placing(user_id=bound.user_id)
    key = signing_keys.current(session, vault, now)
    asked = Invited(address.canonical, address, made.room_id, made.owner, is_placed_by_us=True)
    invitation = store_invite.store(
        session,
        rules,
        now,
        invited=asked,
        key=new_ephemeral_key(vault),
        signing_key_id=key.key_id,
    )
    row.invitation_id = invitation.id
    lasting = signing_keys.public_key(session, invitation.signing_key_id) or key.public
    return Placing(token=invitation.token, keys=keys_of(invitation, lasting, public_url))


def placed(
    session: Session,
    now: datetime,
    row: BulkInviteRow,
    *,
    is_member: bool = False,
    hashes: KeyedHashes | None = None,
) -> None:
    """The room has it: order the mail, unless the same person was told lately, and see whether that was all."""
    made = stored.locked(session, row.list_id)
    row.step, row.sent_at = Step.MEMBER if is_member else Step.INVITED, now
    row.why = row.later_at = None
    session.flush()
    invitation = _invitation(session, row)
    if invitation is not None:
        room_agreement.confirm(session, now, invitation, hashes)
    _conclude(session, now, made)


def failed(session: Session, now: datetime, row: BulkInviteRow, why: str) -> None:
    """It will not be sent, as things are: an invitation that nobody was told of is taken back."""
    made = stored.locked(session, row.list_id)
    row.step, row.why, row.later_at = Step.FAILED, why, None
    session.flush()
    invitation = _invitation(session, row)
    if invitation is not None and invitations.last_mailed(session, invitation) is None:
        invitations.revoke(session, now, invitation, by=made.owner)
    _conclude(session, now, made)


def keys_of(invitation: ThirdPartyInvitation, lasting: str, public_url: str) -> dict[str, Any]:
    """What stands in the room's event, as Synapse writes it after asking us to store an invitation."""
    keys = f"{public_url}{V2}/pubkey"
    return {
        "display_name": store_invite.masked(invitation.address),
        "key_validity_url": f"{keys}/isvalid",
        "public_key": lasting,
        "public_keys": [
            {"public_key": lasting, "key_validity_url": f"{keys}/isvalid"},
            {
                "public_key": invitation.public_key,
                "key_validity_url": f"{keys}/ephemeral/isvalid",
            },
        ],
    }


def new_ephemeral_key(vault: Vault) -> EphemeralKey:
    """It comes back in queries, and not everybody encodes a plus: the URL-safe alphabet."""
    made = signing.new_key("0")
    sealed = vault.seal(made.seed.get_secret_value())
    return EphemeralKey(made.public.replace("+", "-").replace("/", "_"), sealed)


def _invitation(session: Session, row: BulkInviteRow) -> ThirdPartyInvitation | None:
    if row.invitation_id is None:
        return None
    return third_party_invitations.find(session, row.invitation_id)


def _conclude(session: Session, now: datetime, made: BulkInvite) -> None:
    ended = stored.finish(session, made.id, now)
    # A report that waits for its turn counts when it is written: a second one would say the same.
    is_told = mails.is_waiting(session, Template.BULK_REPORT, made.id)
    if ended and made.owner_address and not is_told:
        mails.order(
            session,
            now,
            template=Template.BULK_REPORT,
            address=made.owner_address,
            language=made.language,
            subject_id=made.id,
        )
