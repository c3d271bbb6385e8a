"""An address is associated with a user ID, if the rules keep it for that homeserver, and invitations follow it."""

from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress, canonical_or_typed
from domain_rules.rules import Decision, RuleSet
from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.accounts import ends as account_ends
from identity.accounts import successions, verified_addresses
from identity.invitations import delivery
from identity.threepids import account_models as identity_accounts
from identity.threepids import associations, validation

Policy = Literal["rule", "any"]

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
    """Associate the address of a proved validation session with who asked for it: what is to be signed.

    Raises NoValidSession, SessionExpired, SessionNotValidated, WrongServer.
    """
    proved, _ = validation.validated(session, now, sid=sid, client_secret=client_secret)
    if proved.user_id != user_id:
        # The mail and its page named who asked: nobody else profits from the answer.
        raise problems.NoValidSession
    address = EmailAddress.stored(proved.address)
    check_place(rules, now, address, user_id, policy=policy)
    prove(session, now, address=address.canonical, user_id=user_id)
    milliseconds = int(now.timestamp() * 1000)
    return {
        "medium": "email",
        "address": address.canonical,
        "mxid": user_id,
        "ts": milliseconds,
        "not_before": milliseconds,
        "not_after": int((now + CENTURY).timestamp() * 1000),
    }


def bind_verified(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    policy: Policy,
    address: EmailAddress,
    user_id: str,
) -> None:
    """Associate what a homeserver has verified itself for its own user. Raises WrongServer, and nothing is written.

    Its word proves the address, and takes it from people of other homeservers, only where the rules keep the
    address for it. Elsewhere (the policy `any`, the former homeserver of a domain that moves) it is
    associated as long as nobody of another homeserver has it.
    """
    check_place(rules, now, address, user_id, policy=policy)
    identity_accounts.note_return(session, user_id)
    decision = rules.decide(address)
    if homeserver_of(user_id) in _homes(decision):
        prove(session, now, address=address.canonical, user_id=user_id)
        return
    held = associations.of_address(session, address.canonical)
    if held is not None and homeserver_of(held.user_id) != homeserver_of(user_id):
        raise _wrong_server(decision)
    if homeserver_of(user_id) in _former_homes(decision, now):
        prove(session, now, address=address.canonical, user_id=user_id)
    else:
        associate(session, now, address=address.canonical, user_id=user_id)


def unbind_verified(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """The homeserver took the address away: neither association nor proof stays."""
    unbind(session, address=address, user_id=user_id)
    verified_addresses.remove(session, address=canonical_or_typed(address), user_id=user_id)
    account_ends.address_gone(session, now, user_id)


def unbind(session: Session, *, address: str, user_id: str) -> None:
    """Withdraw exactly this association; another owner of the address is left alone."""
    associations.unbind(session, address=canonical_or_typed(address), user_id=user_id)


def owns(session: Session, now: datetime, *, sid: str, client_secret: str, address: str) -> bool:
    """Whether a proof of just this address was given in that session, and still counts."""
    try:
        proved, _ = validation.validated(session, now, sid=sid, client_secret=client_secret)
    except (problems.NoValidSession, problems.SessionExpired, problems.SessionNotValidated):
        return False
    return proved.address == canonical_or_typed(address)


def prove(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """The account has the address: it counts for its class, also when the association is withdrawn."""
    before = [each for each in verified_addresses.users_of(session, address) if each != user_id]
    successions.record_succession(session, now, predecessors=before, successor=user_id)
    verified_addresses.add(session, now, user_id=user_id, address=address)
    associate(session, now, address=address, user_id=user_id)


def associate(session: Session, now: datetime, *, address: str, user_id: str) -> None:
    """Bind, and send the invitations that waited for this address after the person."""
    associations.bind(session, now, address=address, user_id=user_id)
    delivery.order_all(session, now, address=address, user_id=user_id)


def check_place(
    rules: RuleSet, now: datetime, address: EmailAddress, user_id: str, *, policy: Policy
) -> None:
    """Raises WrongServer if the rules keep the address for another homeserver than this user's.

    While a domain moves, whoever is still on its former homeserver is not locked out.
    """
    if address.refusal:  # it was proved when such addresses were taken
        raise problems.WrongServer("domain_not_open", None)
    if policy == "any":
        return
    decision = rules.decide(address)
    if homeserver_of(user_id) not in {*_homes(decision), *_former_homes(decision, now)}:
        raise _wrong_server(decision)


def _homes(decision: Decision) -> tuple[str, ...]:
    return tuple(filter(None, (decision.homeserver, decision.protected_homeserver)))


def _former_homes(decision: Decision, now: datetime) -> tuple[str, ...]:
    return tuple(decision.rule.former_homeservers(now)) if decision.rule else ()


def _wrong_server(decision: Decision) -> problems.WrongServer:
    reason = "wrong_server" if decision.homeserver else "domain_not_open"
    return problems.WrongServer(reason, decision.homeserver)
