"""Takes an account that Guichet never heard of into its books, as its homeserver describes it.

Nothing is changed on the homeserver. What contradicts the books is refused.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.accounts import models as accounts, verified_addresses
from identity.accounts.models import Account, AccountState
from identity.binding import service as binding
from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import of_addresses, of_users
from identity.core.keyed_hashes import KeyedHashes
from identity.invitations import service as invitations
from identity.mail import models as mails
from identity.problems import AccessEnded, Problem
from identity.sign_up import models as verification_requests
from identity.threepids import associations

MARK_BYTES = 16


class Contradiction(Problem):
    """What the homeserver says contradicts what is known here; nothing was changed."""


@dataclass(frozen=True)
class FoundAccount:
    """An account as its homeserver describes it."""

    user_id: str
    display_name: str
    language: str


@dataclass(frozen=True)
class Adopted:
    """The account in our books. `is_new`: False if all was known already."""

    user_id: str
    account_class: str
    is_new: bool


def adopt(
    session: Session,
    hashes: KeyedHashes,
    rules: RuleSet,
    now: datetime,
    *,
    address: EmailAddress,
    found: FoundAccount,
    who: Actor,
) -> Adopted:
    """Record the account, verify its address, and deliver the invitations that wait for it.

    Its class is that of the rules. Done twice, it changes nothing more. Raises Contradiction, and
    WrongServer if the rules name another homeserver for the address.
    """
    mails.lock_address(session, address.canonical)
    binding.check_homeserver(rules, now, address, found.user_id, policy="rule")
    _check(session, address.canonical, found.user_id)
    try:
        binding.check_access(session, rules, now, address)
    except AccessEnded:
        raise Contradiction(
            "their access as a guest has ended; nothing was changed. guichet guest extend gives it back"
        ) from None
    account = accounts.find_by_address(session, address.canonical)
    is_known = (
        account is not None
        and account.state == AccountState.READY
        and associations.find_by_address(session, address.canonical) is not None
        and address.canonical in verified_addresses.addresses_of(session, found.user_id)
    )
    if account is None:
        account = _new(rules, now, address, found)
        session.add(account)
    if is_known:
        return Adopted(found.user_id, account.account_class, is_new=False)
    if account.state != AccountState.READY:
        account.state, account.ready_at = AccountState.READY, now
    if account.account_class == AccountClass.GUEST:
        account.sponsor = account.sponsor or invitations.sponsor_of(session, address.canonical, now)
        account.access_ends_at = account.access_ends_at or now + invitations.GUEST_ACCESS
    session.flush()
    binding.record_verified(session, now, address=address.canonical, user_id=found.user_id)
    verification_requests.mark_used(session, address.canonical)
    subject = hashes.journal_name(session, address.mailbox_key())
    facts = {"homeserver": account.homeserver, "class": account.account_class}
    places = of_addresses([address.canonical]) | of_users([found.user_id])
    journal.write(
        session, now, who, action="person.adopt", subject=subject, facts=facts, places=places
    )
    return Adopted(found.user_id, account.account_class, is_new=True)


def _new(rules: RuleSet, now: datetime, address: EmailAddress, found: FoundAccount) -> Account:
    decision = rules.decide(address)
    return Account(
        address=address.canonical,
        user_id=found.user_id,
        homeserver=homeserver_of(found.user_id),
        account_class=(decision.account_class or AccountClass.GUEST).value,
        display_name=found.display_name,
        language=found.language,
        state=AccountState.READY,
        # Of an account that we did not make: nobody has this as a display name.
        creation_mark=f"adopted-{secrets.token_hex(MARK_BYTES)}",
        created_at=now,
        ready_at=now,
    )


def _check(session: Session, address: str, user_id: str) -> None:
    """Raises Contradiction. User IDs are named to the operator; addresses of others are not."""
    by_address = accounts.find_by_address(session, address)
    if by_address is not None and by_address.user_id != user_id:
        raise Contradiction(
            f"here the address belongs to {by_address.user_id}, on the homeserver to {user_id}; "
            "nothing was changed"
        )
    by_user = accounts.find_by_user_id(session, user_id)
    if by_user is not None and by_user.address != address:
        raise Contradiction(f"{user_id} is known here with another address; nothing was changed")
    bound = associations.find_by_address(session, address)
    if bound is not None and bound.user_id != user_id:
        raise Contradiction(
            f"the address is associated with {bound.user_id} here; nothing was changed"
        )
    others = [each for each in verified_addresses.users_of(session, address) if each != user_id]
    if others:
        raise Contradiction(f"the address is verified for {others[0]} here; nothing was changed")
