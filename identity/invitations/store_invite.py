"""Somebody is invited by address before anybody has it: the invitation waits, and a mail tells the address."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass, RuleSet
from identity import problems
from identity.accounts import room_members
from identity.core.strict_json import is_text
from identity.invitations import delivery
from identity.mail import models as mails
from identity.threepids import associations

from . import inviters, room_agreement
from . import models as third_party_invitations
from . import service as invitations
from .history import Happened
from .models import Delivery, ThirdPartyInvitation
from .states import record

LIFETIME = timedelta(days=invitations.LIFETIME_DAYS)
TOKEN_BYTES = 32
KEPT = 3  # characters of each half of a masked address
# What the mail may name; other fields of a request are not kept.
FACTS = (
    "room_alias",
    "room_avatar_url",
    "room_join_rules",
    "room_name",
    "room_type",
    "sender_display_name",
    "sender_avatar_url",
)
MAX_FACT = 255  # characters


@dataclass(frozen=True)
class EphemeralKey:
    """The key of one invitation: the public half as it is given out, the private one sealed."""

    public: str
    sealed: str


@dataclass(frozen=True)
class Invited:
    """A request to store an invitation. `typed` is the address as it was sent, `sender` who sent it.

    `is_placed_by_us`: nobody looks whether the room took it; who places it there says so by
    `room_agreement.confirm`.
    """

    typed: str
    address: EmailAddress
    room_id: str
    sender: str
    facts: Mapping[str, str] = field(default_factory=dict)
    is_placed_by_us: bool = False
    anybody: bool = False  # where rules do not say who may be bound, nor do they here


def store(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    invited: Invited,
    key: EphemeralKey,
    signing_key_id: str,
) -> ThirdPartyInvitation:
    """Keep the invitation; once its room took it, its mail leaves, or it is delivered to who has the address.

    As long as this sender's invitation of this address to this room is live, asking again extends it
    and answers as before. Raises AddressBound if it was asked for by the very text we know: the caller
    could have looked it up; also, whatever was typed, if both are known to be in the room. Raises NotAllowed, TooManyInvitations, InvitationsPaused.
    """
    address = invited.address.canonical
    mails.lock_address(session, address)
    bound = associations.of_address(session, address)
    if bound is not None and (
        invited.typed == address or _share_the_room(session, invited, bound.user_id)
    ):
        raise problems.AddressBound(bound.user_id)
    for_guest = _is_for_guest(
        rules, invited.address, is_welcome=bound is not None or invited.anybody
    )
    inviters.check_not_paused(session, now, invited.sender, for_guest=for_guest)
    live = _live(session, now, invited)
    if live is None:
        inviters.check_quota(session, now, invited.sender, for_guest=for_guest)
        live = _insert(
            session, now, invited, key, signing_key_id=signing_key_id, for_guest=for_guest
        )
    else:
        _repeat(session, now, live, invited, for_guest=for_guest)
    if bound is not None and live.awaits is None:
        # Synapse hashes what was typed: it looked for another address, and did not find this one.
        _deliver(session, now, live, bound.user_id)
    elif not invited.is_placed_by_us and room_agreement.is_open_question(session, now, live):
        room_agreement.begin(session, now, live)
    return live


def check(session: Session, rules: RuleSet, now: datetime, *, invited: Invited) -> None:
    """Raises what `store` would raise of the sender and the address, and changes nothing.

    AddressBound only of who is in the room: by other texts that we know Synapse finds people itself.
    """
    bound = associations.of_address(session, invited.address.canonical)
    if bound is not None and _share_the_room(session, invited, bound.user_id):
        raise problems.AddressBound(bound.user_id)
    for_guest = _is_for_guest(
        rules, invited.address, is_welcome=bound is not None or invited.anybody
    )
    inviters.check_not_paused(session, now, invited.sender, for_guest=for_guest)
    if _live(session, now, invited) is None:
        inviters.check_quota(session, now, invited.sender, for_guest=for_guest)


def kept_facts(given: Mapping[str, object]) -> dict[str, str]:
    """The names and pictures a mail may show, no longer than they need to be."""
    return {
        name: value[:MAX_FACT]
        for name in FACTS
        if isinstance(value := given.get(name), str) and value and is_text(value)
    }


def masked(address: str) -> str:
    """The invited person's name in the room until they come: `cam...@ac-...`, never the address."""
    local, _, domain = address.rpartition("@")
    return f"{_cut(local)}@{_cut(domain)}"


def _share_the_room(session: Session, invited: Invited, user_id: str) -> bool:
    """As modules reported it: nobody is asked here. Whoever is in the room sees who else is."""
    return room_members.are_in(session, invited.room_id, {invited.sender, user_id})


def _is_for_guest(rules: RuleSet, address: EmailAddress, *, is_welcome: bool) -> bool:
    """Raises NotAllowed if nobody could ever come in by this address."""
    decision = rules.decide(address)
    if decision.is_nobodys and not is_welcome:
        raise problems.NotAllowed("No homeserver takes this address: nobody can come in by it.")
    return decision.account_class is not AccountClass.AGENT


def _live(session: Session, now: datetime, invited: Invited) -> ThirdPartyInvitation | None:
    return third_party_invitations.live_of(
        session,
        now,
        address=invited.address.canonical,
        room_id=invited.room_id,
        sender=invited.sender,
    )


def _insert(
    session: Session,
    now: datetime,
    invited: Invited,
    key: EphemeralKey,
    *,
    signing_key_id: str,
    for_guest: bool,
) -> ThirdPartyInvitation:
    invitation = ThirdPartyInvitation(
        address=invited.address.canonical,
        room_id=invited.room_id,
        sender=invited.sender,
        token=secrets.token_urlsafe(TOKEN_BYTES),
        public_key=key.public,
        sealed_key=key.sealed,
        signing_key_id=signing_key_id,
        facts=kept_facts(invited.facts),
        for_guest=for_guest,
        created_at=now,
        asked_at=now,
        expires_at=now + LIFETIME,
        awaits=room_agreement.awaits(session, now, invited.sender),
    )
    session.add(invitation)
    session.flush()
    record(session, now, invitation, None, Happened.CREATED, by=invited.sender)
    return invitation


def _repeat(
    session: Session,
    now: datetime,
    live: ThirdPartyInvitation,
    invited: Invited,
    *,
    for_guest: bool,
) -> None:
    live.for_guest = for_guest
    session.flush()
    invitations.extend(session, now, live, by=invited.sender)
    live.asked_at, live.facts = now, kept_facts(invited.facts)
    session.flush()


def _deliver(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, user_id: str
) -> None:
    if invitation.delivery == Delivery.DEAD:
        delivery.deliver_again(session, now, invitation)
    else:
        delivery.order_delivery(session, now, invitation, user_id)


def _cut(text: str) -> str:
    kept = KEPT if len(text) > KEPT else 1 if len(text) > 1 else 0
    return f"{text[:kept]}..."
