"""Associating addresses with user IDs, and withdrawing that.

An address is associated only with a user of the homeserver that the rules name for it; then the
invitations that wait for it are delivered.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress, canonical_or_typed
from domain_rules.rule import AccountClass
from domain_rules.rules import Decision, RuleSet
from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.accounts import (
    ends as account_ends,
    models as accounts,
    successions,
    verified_addresses,
)
from identity.invitations import delivery
from identity.threepids import account_models as identity_accounts, associations, validation

Policy = Literal["rule", "any"]

LEEWAY = timedelta(minutes=1)  # the clock of who checks the association may be behind ours
CENTURY = timedelta(days=36_525)  # an association ends when it is withdrawn, not by a date


def bind(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    policy: Policy,
    user_id: str,
    sid: str,
    client_secret: str,
) -> dict[str, Any]:
    """Associate the address of a validated session with the user who requested it.

    Returns the association to be signed (Identity Service API, POST /3pid/bind), times in
    milliseconds. Raises NoValidSession, SessionExpired, SessionNotValidated, WrongServer,
    AccessEnded.
    """
    verified, _ = validation.find_validated(session, now, sid=sid, client_secret=client_secret)
    if verified.user_id != user_id:
        # The mail and its page named the user who requested it; nobody else may use it.
        raise problems.NoValidSession
    address = EmailAddress.stored(verified.address)
    check_homeserver(rules, now, address, user_id, policy=policy)
    check_access(session, rules, now, address)
    record_verified(session, now, address=address.canonical, user_id=user_id)
    return {
        "medium": "email",
        "address": address.canonical,
        "mxid": user_id,
        "ts": _milliseconds(now),
        "not_before": _milliseconds(now - LEEWAY),
        "not_after": _milliseconds(now + CENTURY),
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def bind_verified(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    policy: Policy,
    address: EmailAddress,
    user_id: str,
) -> None:
    """Associate an address that a homeserver has verified itself for its own user.

    If the rules name this homeserver for the address, the address counts as verified, and it is
    taken from a user of another homeserver. Otherwise (policy `any`, or the former homeserver of a
    domain that moves) it is associated only while no user of another homeserver has it.
    Raises WrongServer, AccessEnded; then nothing is written.
    """
    check_homeserver(rules, now, address, user_id, policy=policy)
    check_access(session, rules, now, address)
    identity_accounts.record_return(session, user_id)
    decision = rules.decide(address)
    if homeserver_of(user_id) in _homeservers(decision):
        record_verified(session, now, address=address.canonical, user_id=user_id)
        return
    held = associations.find_by_address(session, address.canonical)
    if held is not None and homeserver_of(held.user_id) != homeserver_of(user_id):
        raise _wrong_server(decision)
    if homeserver_of(user_id) in _former_homeservers(decision, now):
        record_verified(session, now, address=address.canonical, user_id=user_id)
    else:
        associate(session, now, address=address.canonical, user_id=user_id)


def unbind_verified(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """The homeserver removed the address: delete the association and the verification."""
    unbind(session, address=address, user_id=user_id)
    verified_addresses.remove(session, address=canonical_or_typed(address), user_id=user_id)
    account_ends.end_access_by_address(session, now, user_id)


def unbind(session: Session, *, address: str, user_id: str) -> None:
    """Delete this association; one of the address with another user stays."""
    associations.unbind(session, address=canonical_or_typed(address), user_id=user_id)


def is_verified_in(
    session: Session, now: datetime, *, sid: str, client_secret: str, address: str
) -> bool:
    """Whether this address was verified in that validation session, which has not expired."""
    try:
        verified, _ = validation.find_validated(session, now, sid=sid, client_secret=client_secret)
    except (problems.NoValidSession, problems.SessionExpired, problems.SessionNotValidated):
        return False
    return verified.address == canonical_or_typed(address)


def record_verified(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """Record the address as verified for the account, and associate it.

    It counts for the account's class even after the association is withdrawn.
    """
    before = [each for each in verified_addresses.users_of(session, address) if each != user_id]
    successions.record_succession(session, now, predecessors=before, successor=user_id)
    verified_addresses.add(session, now, user_id=user_id, address=address)
    associate(session, now, address=address, user_id=user_id)


def associate(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """Associate, and order the delivery of the invitations that wait for the address."""
    associations.bind(session, now, address=address, user_id=user_id)
    delivery.order_deliveries(session, now, address=address, user_id=user_id)


def check_homeserver(
    rules: RuleSet, now: datetime, address: EmailAddress, user_id: str, *, policy: Policy
) -> None:
    """Raises WrongServer if the rules name another homeserver than this user's for the address.

    While a domain moves, users of its former homeserver are still accepted.
    """
    if address.refusal:  # it was verified while such addresses were accepted
        raise problems.WrongServer("domain_not_open", None)
    if policy == "any":
        return
    decision = rules.decide(address)
    if homeserver_of(user_id) not in {*_homeservers(decision), *_former_homeservers(decision, now)}:
        raise _wrong_server(decision)


def check_access(session: Session, rules: RuleSet, now: datetime, address: EmailAddress) -> None:
    """Raises AccessEnded for a guest whose access has ended, whoever reports the address again."""
    is_agent = rules.decide(address).account_class is AccountClass.AGENT
    if not is_agent and accounts.has_access_ended(session, address.canonical, now):
        raise problems.AccessEnded


def _homeservers(decision: Decision) -> tuple[str, ...]:
    return tuple(filter(None, (decision.homeserver, decision.protected_homeserver)))


def _former_homeservers(decision: Decision, now: datetime) -> tuple[str, ...]:
    return tuple(decision.rule.former_homeservers(now)) if decision.rule else ()


def _wrong_server(decision: Decision) -> problems.WrongServer:
    reason = "wrong_server" if decision.homeserver else "domain_not_open"
    return problems.WrongServer(reason, decision.homeserver)
