"""Guests and when their access ends: listed, ended, extended.

This ends what Guichet itself decides: invitations, registration, lookups, sessions. Homeservers do
not enforce the end yet: that is the life of accounts, which is not part of Guichet so far.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.accounts import (
    classes as account_classes,
    models as accounts,
    session_models,
    verified_addresses,
)
from identity.accounts.models import Account, AccountState
from identity.accounts.person import addresses_of, user_ids_of
from identity.binding import service as binding
from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import of_addresses
from identity.core.keyed_hashes import KeyedHashes
from identity.core.personal_data import mailbox_of
from identity.invitations import models as third_party_invitations, service as invitations
from identity.invitations.models import ThirdPartyInvitation
from identity.mail import models as mails
from identity.problems import Problem
from identity.threepids import account_models as identity_accounts, associations

LONGEST: Final = timedelta(days=731)  # from now, two years: see the design of guests' ends
MARK_BYTES: Final = 16


class NoSuchGuest(Problem):
    """No guest is known by this user ID or address, and nobody invited it."""


class NotAGuest(Problem):
    """The rules make this account an agent's: its access does not end by a date."""


class WrongEnd(Problem):
    """The access of a guest cannot end then."""


@dataclass(frozen=True)
class Ended:
    """What ended. `user_id`: None if the guest had no account yet."""

    user_id: str | None
    invitations: int
    sessions: int


def find_guests(
    session: Session, *, ending_before: datetime | None = None, limit: int
) -> Sequence[Account]:
    """The guests with an account, those whose access ends first before the others."""
    query = select(Account).where(
        Account.account_class == AccountClass.GUEST.value, Account.state == AccountState.READY
    )
    if ending_before is not None:
        query = query.where(Account.access_ends_at < ending_before)
    order = (Account.access_ends_at.is_(None), Account.access_ends_at, Account.user_id)
    return session.scalars(query.order_by(*order).limit(limit)).all()


def end(
    session: Session,
    hashes: KeyedHashes,
    rules: RuleSet,
    now: datetime,
    *,
    guest: str,
    who: Actor,
) -> Ended:
    """End the access of a guest now, by user ID or canonical address. Done twice, nothing changes.

    Invitations that wait for them are revoked, their address is in no lookup, their sessions end,
    and no invitation lets them register. Raises NoSuchGuest, NotAGuest.
    """
    address, account = _find(session, rules, now, guest)
    revoked = sum(
        invitations.revoke(session, now, each, by=who.name)
        for each in _live_invitations(session, now, address)
    )
    ended = 0
    if account is not None:
        ended = _end_account(session, now, account)
    elif not revoked:
        raise NoSuchGuest(f"no guest and no invitation is known of {guest}")
    if revoked or ended:
        facts = {"invitations": revoked, "had_account": account is not None}
        _write(session, hashes, now, who, action="guest.end", address=address, facts=facts)
    return Ended(account.user_id if account else None, revoked, ended)


def extend(
    session: Session,
    hashes: KeyedHashes,
    rules: RuleSet,
    now: datetime,
    *,
    guest: str,
    who: Actor,
    until: datetime,
) -> Account:
    """Let the access of a guest end at `until`, also after it has ended.

    Their address is associated again, and invitations that waited are delivered. Raises WrongEnd,
    NoSuchGuest, NotAGuest.
    """
    if not now < until <= now + LONGEST:
        raise WrongEnd("the access of a guest ends in the future, two years from now at the most")
    address, account = _find(session, rules, now, guest)
    if account is None:
        raise NoSuchGuest(f"{guest} has no account, so there is nothing to extend")
    before, account.access_ends_at = account.access_ends_at, until
    session.flush()
    bound = associations.find_by_address(session, address)
    if bound is None:
        binding.record_verified(session, now, address=address, user_id=account.user_id)
    if before != until or bound is None:
        facts = {"until": until.isoformat(), "before": before.isoformat() if before else None}
        _write(session, hashes, now, who, action="guest.extend", address=address, facts=facts)
    return account


def _find(
    session: Session, rules: RuleSet, now: datetime, guest: str
) -> tuple[str, Account | None]:
    """The address, locked, and the account; None if the address is only invited.

    An account that registered in its client has no row yet, and gets one. Raises NoSuchGuest,
    NotAGuest.
    """
    is_user_id = guest.startswith("@")
    # Two operators at once, one by the user ID and one by the address: the second sees what is done.
    mails.lock_addresses(session, addresses_of(session, guest) if is_user_id else [guest])
    session.expire_all()
    account = (accounts.find_by_user_id if is_user_id else accounts.find_by_address)(session, guest)
    if account is None:
        account = _adopted(session, now, guest, is_user_id=is_user_id)
    if account is None:
        if is_user_id:
            raise NoSuchGuest(f"no guest {guest} is known")
        if account_classes.has_agents_address(rules, [guest]):
            raise NotAGuest("this is the address of an agent, whose access does not end by a date")
        return guest, None
    if account_classes.is_agent(session, rules, account.user_id):
        raise NotAGuest(f"{account.user_id} is an agent, whose access does not end by a date")
    return account.address, account


def _adopted(session: Session, now: datetime, guest: str, *, is_user_id: bool) -> Account | None:
    """A row for an account that is known by its verified address only."""
    if is_user_id:
        found = verified_addresses.addresses_of(session, guest)
        user_id, address = guest, found[0] if found else ""
    else:
        known = user_ids_of(session, guest)
        user_id, address = known[-1] if known else "", guest
    if not user_id or not address or accounts.find_by_address(session, address) is not None:
        return None
    made = Account(
        address=address,
        user_id=user_id,
        homeserver=homeserver_of(user_id),
        account_class=AccountClass.GUEST.value,
        display_name="",
        language="",
        state=AccountState.READY,
        creation_mark=f"adopted-{secrets.token_hex(MARK_BYTES)}",
        created_at=now,
        ready_at=now,
    )
    session.add(made)
    session.flush()
    return made


def _end_account(session: Session, now: datetime, account: Account) -> int:
    """Returns how many sessions and tokens ended, at least 1 if the access had not ended before."""
    had_ended = account.access_ends_at is not None and account.access_ends_at <= now
    if not had_ended:
        account.access_ends_at = now
    account.account_class = AccountClass.GUEST.value
    session.flush()
    associations.unbind(session, address=account.address, user_id=account.user_id)
    ended = session_models.end_all(session, now, account.user_id)
    ended += identity_accounts.end_all(session, account.user_id)
    return ended or int(not had_ended)


def _live_invitations(
    session: Session, now: datetime, address: str
) -> Sequence[ThirdPartyInvitation]:
    row = ThirdPartyInvitation
    live = select(row).where(row.address == address, third_party_invitations.is_live(now))
    return session.scalars(live.order_by(row.created_at, row.id)).all()


def _write(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    who: Actor,
    *,
    action: str,
    address: str,
    facts: Mapping[str, object],
) -> None:
    subject, places = hashes.journal_name(session, mailbox_of(address)), of_addresses([address])
    journal.write(session, now, who, action=action, subject=subject, facts=facts, places=places)
