"""Stores a third-party invitation, as the store-invite endpoint and bulk invites request it.

The invitation waits until somebody has the address, and a mail tells the address about it.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_in
from identity import problems
from identity.accounts import room_members
from identity.core import inserting, metrics, outbox, signatures
from identity.core.database import count_after_commit, limits_count
from identity.core.outbox import Lane
from identity.core.sealing import Vault
from identity.core.strict_json import is_text
from identity.freezes import service as freezes
from identity.homeservers import standing as homeserver_standing
from identity.invitations import delivery
from identity.mail import models as mails

from . import (
    block_models as inviter_blocks,
    history as invitation_events,
    inviters,
    request_facts,
    room_agreement,
    service as invitations,
)
from .history import Happened
from .models import Delivery, State, ThirdPartyInvitation
from .request_facts import RequestFacts

LIFETIME = timedelta(days=invitations.LIFETIME_DAYS)
TOKEN_BYTES = 32
MASK_LENGTH = 3  # characters shown of each half of an address
# What the mail may show; other fields of a request are not stored.
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
    """The key pair of one invitation: public half as it is returned, private half sealed."""

    public: str
    sealed: str


@dataclass(frozen=True)
class InviteRequest:
    """A request to store an invitation. `typed`: the address as it was sent; `sender`: the inviter.

    `is_placed_by_us`: we place the event in the room ourselves, so no room check is ordered;
    `room_agreement.confirm` follows when it is placed. `anybody`: addresses that no rule covers are
    accepted too.
    """

    typed: str
    address: EmailAddress
    room_id: str
    sender: str
    facts: Mapping[str, str] = field(default_factory=dict)
    is_placed_by_us: bool = False
    anybody: bool = False


def look(
    session: Session, rules: RuleSet, now: datetime, invited: InviteRequest, *, locks: bool = True
) -> RequestFacts:
    """Lock the address and the quota of the sender, and read what `store` goes by."""
    address, sender = invited.address, invited.sender
    if locks:
        mails.lock_address(session, address.canonical, sender)
    decision = rules.decide(address)
    for_guest = decision.account_class is not AccountClass.AGENT
    return request_facts.find(
        session,
        now,
        sender=sender,
        address=address.canonical,
        room_id=invited.room_id,
        address_homeserver=decision.homeserver or "",
        for_guest=for_guest,
        quota=inviters.quota_of(for_guest=for_guest),
        counted=inviters.DAY,
        reported=inviters.UNKNOWN_WINDOW,
    )


def store(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    invited: InviteRequest,
    key: EphemeralKey,
    signing_key_id: str,
    facts: RequestFacts | None = None,
) -> ThirdPartyInvitation:
    """Store the invitation; it is mailed or delivered once its room holds it.

    While this sender's invitation of this address to this room is live, a repeated request extends
    it and returns the same one. `facts`: what `look` read in this transaction.

    Raises AddressBound if somebody has the address and `typed` is exactly its canonical form (the
    caller could have looked it up), or if both are known to be in the room. Also what `check`
    raises.
    """
    facts = facts or look(session, rules, now, invited)
    if facts.bound is not None and invited.typed == invited.address.canonical:
        raise problems.AddressBound(facts.bound)
    for_guest = _check(session, rules, now, invited, facts)
    live = facts.live
    if live is None:
        live = _new(now, invited, key, facts, signing_key_id=signing_key_id, for_guest=for_guest)
        _insert(session, now, live, with_check=not invited.is_placed_by_us)
        return live
    _repeat(session, now, live, invited, for_guest=for_guest)
    if facts.bound is not None and live.awaits is None:
        # Synapse looks up a hash of the typed text, so it did not find this address.
        _deliver(session, now, live, facts.bound)
    elif not invited.is_placed_by_us and room_agreement.is_open_question(session, now, live):
        room_agreement.order_room_check(session, now, live)
    return live


def store_new(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    asked: Sequence[tuple[InviteRequest, RequestFacts]],
    begun: Collection[UUID | None],
    new_key: Callable[[], EphemeralKey],
    signing_key_id: str,
) -> dict[str, ThirdPartyInvitation]:
    """Store invitations that we place ourselves, as far as nothing hinders them; by their address.

    `begun`: those that were stored for these requests before; they are taken as they are. For the
    others ask `store`: it says what the matter is, or finds the one that is there.
    """
    found: dict[str, ThirdPartyInvitation] = {}
    made: dict[str, ThirdPartyInvitation] = {}
    for invited, facts in asked:
        live = facts.live
        is_begun = live is None or (live.id in begun and live.signing_key_id == signing_key_id)
        if facts.bound is not None or not is_begun:
            continue
        try:
            for_guest = _check(session, rules, now, invited, facts)
        except problems.Problem:
            continue
        if live is not None:
            live.for_guest = for_guest
            found[live.address] = live
            continue
        made[invited.address.canonical] = _new(
            now, invited, new_key(), facts, signing_key_id=signing_key_id, for_guest=for_guest
        )
    session.add_all(made.values())
    session.flush()
    for each in made.values():
        invitation_events.add_event(session, each.id, now, Happened.CREATED, by=each.sender)
        count_after_commit(session, metrics.INVITATION_CHANGES, state=State.QUEUED.value)
    session.flush()
    return found | made


def new_ephemeral_key(vault: Vault) -> EphemeralKey:
    """A fresh key pair for one invitation: public half in URL-safe base64, private half sealed.

    Homeservers send the public half back in queries, and not all of them encode a "+".
    """
    key = signatures.new_key("0")
    sealed = vault.seal(key.seed.get_secret_value())
    return EphemeralKey(key.public.replace("+", "-").replace("/", "_"), sealed)


def check(session: Session, rules: RuleSet, now: datetime, *, invited: InviteRequest) -> None:
    """Raises what `store` would raise about sender and address; changes nothing.

    Except AddressBound for an exact address: Synapse finds such people itself. Raises AddressBound
    if both are known to be in the room, NotAllowed, TooManyInvitations, InvitationsPaused, and what
    `inviters.check_may_invite` raises.
    """
    _check(session, rules, now, invited, look(session, rules, now, invited, locks=False))


def allowed_facts(given: Mapping[str, object]) -> dict[str, str]:
    """The names and pictures that a mail may show, cut to MAX_FACT characters."""
    return {
        name: value[:MAX_FACT]
        for name in FACTS
        if isinstance(value := given.get(name), str) and value and is_text(value)
    }


def keys_of(invitation: ThirdPartyInvitation, lasting: str, public_url: str) -> dict[str, Any]:
    """What store-invite answers beside the token: the invited person's masked name, and the keys.

    `lasting`: the public half of the key that the room shall hold beside the invitation's own.
    """
    keys = f"{public_url}/_matrix/identity/v2/pubkey"
    return {
        "display_name": masked_display_name(invitation.address),
        "public_key": lasting,
        "public_keys": [
            {"public_key": lasting, "key_validity_url": f"{keys}/isvalid"},
            {"public_key": invitation.public_key, "key_validity_url": f"{keys}/ephemeral/isvalid"},
        ],
    }


def masked_display_name(address: str) -> str:
    """The invited person's name in the room until they join: `cam...@ac-...`."""
    local, _, domain = address.rpartition("@")
    return f"{_cut(local)}@{_cut(domain)}"


def _share_room(session: Session, invited: InviteRequest, user_id: str) -> bool:
    """Whether both are in the room, as modules reported.

    People in a room see its members anyway.
    """
    return room_members.are_in(session, invited.room_id, {invited.sender, user_id})


def _is_for_guest(rules: RuleSet, address: EmailAddress, *, is_welcome: bool) -> bool:
    """Raises NotAllowed if no homeserver could ever take this address."""
    decision = rules.decide(address)
    if decision.is_nobodys and not is_welcome:
        raise problems.NotAllowed("No homeserver takes this address: nobody can come in by it.")
    return decision.account_class is not AccountClass.AGENT


def _check(
    session: Session, rules: RuleSet, now: datetime, invited: InviteRequest, facts: RequestFacts
) -> bool:
    """Whether it is for a guest. Raises as `check`."""
    is_bound = facts.bound is not None
    if facts.bound is not None and _share_room(session, invited, facts.bound):
        raise problems.AddressBound(facts.bound)
    freezes.refuse_invitation(facts.freezes)
    inviter_blocks.refuse(facts.block, now)
    homeserver_standing.check_not_suspended(
        facts.homeservers.get(homeserver_in(invited.sender) or "")
    )
    freezes.refuse_invitation(facts.freezes, invited.address)
    if not is_bound:
        inviters.refuse_retired(
            facts.homeservers.get(rules.decide(invited.address).homeserver or "")
        )
    for_guest = _is_for_guest(rules, invited.address, is_welcome=is_bound or invited.anybody)
    inviters.refuse_paused(facts.reported, for_guest=for_guest)
    # The quota of lists was reserved when their rows were ordered.
    if facts.live is None and not invited.is_placed_by_us and limits_count(session):
        inviters.refuse_over_quota(now, facts.full_since)
    return for_guest


def _new(
    now: datetime,
    invited: InviteRequest,
    key: EphemeralKey,
    facts: RequestFacts,
    *,
    signing_key_id: str,
    for_guest: bool,
) -> ThirdPartyInvitation:
    return ThirdPartyInvitation(
        id=uuid4(),
        address=invited.address.canonical,
        room_id=invited.room_id,
        sender=invited.sender,
        token=secrets.token_urlsafe(TOKEN_BYTES),
        public_key=key.public,
        sealed_key=key.sealed,
        signing_key_id=signing_key_id,
        facts=allowed_facts(invited.facts),
        for_guest=for_guest,
        created_at=now,
        asked_at=now,
        expires_at=now + LIFETIME,
        by_list=invited.is_placed_by_us,
        awaits=room_agreement.confirmation_by(facts.module, now),
    )


def _insert(
    session: Session, now: datetime, made: ThirdPartyInvitation, *, with_check: bool
) -> None:
    """Insert it with its first event and, `with_check`, the job that asks whether its room holds it."""
    event = invitation_events.new_event(made.id, now, Happened.CREATED, by=made.sender)
    jobs = [room_agreement.new_room_check(now, made)] if with_check else []
    inserting.insert_together(session, made, event, *jobs)
    for job in jobs:
        outbox.wake(session, Lane(job.lane))
    count_after_commit(session, metrics.INVITATION_CHANGES, state=State.QUEUED.value)


def _repeat(
    session: Session,
    now: datetime,
    live: ThirdPartyInvitation,
    invited: InviteRequest,
    *,
    for_guest: bool,
) -> None:
    live.for_guest = for_guest
    live.asked_at, live.facts = now, allowed_facts(invited.facts)
    invitations.prolong(session, now, live, by=invited.sender)


def _deliver(
    session: Session, now: datetime, invitation: ThirdPartyInvitation, user_id: str
) -> None:
    if invitation.delivery == Delivery.DEAD:
        delivery.deliver_again(session, now, invitation)
    else:
        delivery.order_delivery(session, now, invitation, user_id)


def _cut(text: str) -> str:
    shown = MASK_LENGTH if len(text) > MASK_LENGTH else 1 if len(text) > 1 else 0
    return f"{text[:shown]}..."
