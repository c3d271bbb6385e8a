"""Somebody is invited by address before anybody has it: the invitation waits, and a mail tells the address."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules import names
from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass, RuleSet
from identity import problems
from identity.storage import (
    accounts,
    associations,
    homeservers,
    mails,
    third_party_invitations,
)
from identity.storage.mails import Template
from identity.storage.third_party_invitations import ThirdPartyInvitation

from . import binding

LIFETIME = timedelta(days=30)
QUIET = timedelta(hours=72)  # the same invitation, repeated: no second mail
DAY = timedelta(days=1)
MOST_GUESTS = 50  # a day, by one account
MOST_AGENTS = 500
TOKEN_BYTES = 32
BOTH_LANGUAGES = ""  # nobody knows what the invited person reads
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
MOST_FACT = 255  # characters


@dataclass(frozen=True)
class EphemeralKey:
    """The key of one invitation: the public half as it is given out, the private one sealed."""

    public: str
    sealed: str


@dataclass(frozen=True)
class Invited:
    """A request to store an invitation. `typed` is the address as it was sent, `sender` who sent it."""

    typed: str
    address: EmailAddress
    room_id: str
    sender: str
    facts: Mapping[str, str] = field(default_factory=dict)


def store(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    invited: Invited,
    key: EphemeralKey,
    signing_key_id: str,
) -> ThirdPartyInvitation:
    """Keep the invitation and order its mail; if the address is bound after all, deliver it at once.

    Raises AddressBound if it was asked for by the very text we know: the caller could have looked it
    up. Raises TooManyInvitations.
    """
    address = invited.address.canonical
    mails.lock_address(session, address)
    bound = associations.of_address(session, address)
    if bound is not None and invited.typed == address:
        raise problems.AddressBound(bound.user_id)
    for_guest = rules.decide(invited.address).account_class is not AccountClass.AGENT
    _check_quota(session, now, invited.sender, for_guest=for_guest)
    repeated = third_party_invitations.was_invited(
        session,
        address=address,
        room_id=invited.room_id,
        sender=invited.sender,
        since=now - QUIET,
    )
    invitation = _insert(
        session, now, invited, key, signing_key_id=signing_key_id, for_guest=for_guest
    )
    if bound is not None:
        # Synapse hashes what was typed: it looked for another address, and did not find this one.
        binding.order_delivery(session, now, invitation, bound.user_id)
    elif not repeated or not session.info.get("limited", True):
        order_mail(session, now, invitation)
    return invitation


def may_invite(session: Session, rules: RuleSet, user_id: str) -> bool:
    """Whether this is an agent: by the homeserver, or where it has both, by an address that was proved."""
    homeserver = homeservers.find(session, binding.homeserver_of(user_id))
    if homeserver is None or homeserver.class_source == "guest":
        return False
    if homeserver.class_source == "agent":
        return True
    account = accounts.of_user_id(session, user_id)
    if account is not None and account.account_class == AccountClass.AGENT:
        return True
    bound = (each.address for each in associations.of_user(session, user_id))
    return any(
        rules.decide(EmailAddress.parse(address, smtputf8=True)).account_class is AccountClass.AGENT
        for address in bound
    )


def order_mail(session: Session, now: datetime, invitation: ThirdPartyInvitation) -> None:
    """Tell the address; over what one address gets in a day, the mail is withheld."""
    mails.order(
        session,
        now,
        template=Template.INVITE,
        address=invitation.address,
        language=BOTH_LANGUAGES,
        subject_id=invitation.id,
        withheld=mails.is_over_daily(session, now, invitation.address, Template.INVITE),
    )


def inviter(session: Session, rules: RuleSet, user_id: str) -> tuple[str | None, str | None]:
    """Name and organisation of who invites, told from the address they proved; never the name they chose."""
    bound = associations.of_user(session, user_id)
    if not bound:
        return None, None
    address = EmailAddress.parse(bound[0].address, smtputf8=True)
    return names.display_name(address, ""), rules.decide(address).organisation or None


def kept_facts(given: Mapping[str, object]) -> dict[str, str]:
    """The names and pictures a mail may show, no longer than they need to be."""
    return {
        name: value[:MOST_FACT]
        for name in FACTS
        if isinstance(value := given.get(name), str) and value
    }


def masked(address: str) -> str:
    """The invited person's name in the room until they come: `cam...@ac-...`, never the address."""
    local, _, domain = address.rpartition("@")
    return f"{_cut(local)}@{_cut(domain)}"


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
        expires_at=now + LIFETIME,
    )
    session.add(invitation)
    session.flush()
    return invitation


def _cut(text: str) -> str:
    kept = KEPT if len(text) > KEPT else 1 if len(text) > 1 else 0
    return f"{text[:kept]}..."


def _check_quota(session: Session, now: datetime, sender: str, *, for_guest: bool) -> None:
    if not session.info.get("limited", True):
        return
    most = MOST_GUESTS if for_guest else MOST_AGENTS
    times = third_party_invitations.sent_times(
        session, sender, for_guest=for_guest, since=now - DAY
    )
    if len(times) >= most:
        free_at = times[-most] + DAY
        raise problems.TooManyInvitations(max(1, math.ceil((free_at - now).total_seconds())))
