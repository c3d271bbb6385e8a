"""Accounts that were made since a loaded backup was made: found again by their address."""

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.accounts import models as accounts
from identity.accounts.models import Account, AccountState
from identity.binding import service as binding
from identity.core import outbox, rows
from identity.core.outbox import JobKind, Lane
from identity.mail import models as mails
from identity.problems import WrongServer
from identity.sign_up.models import State, VerificationRequest
from identity.threepids import associations

from . import service as registration
from .models import AccountAttempt, AttemptState, TypedPassword

MARK_BYTES = 16
UNENDED = (AttemptState.JUDGING, AttemptState.WAITING, AttemptState.CALLING)
LATELY = timedelta(days=30)  # requests are kept no longer


def end_attempts(session: Session) -> int:
    """Whoever was making an account types the password again. Returns how many."""
    session.execute(delete(TypedPassword))
    which = AccountAttempt.state.in_(UNENDED)
    return rows.update(session, AccountAttempt, which, state=AttemptState.AGAIN)


def order_looks(session: Session, now: datetime) -> int:
    """Have each address asked for that was about to get an account. Returns how many."""
    row = VerificationRequest
    found = session.execute(
        select(row.address, row.id)
        .where(row.state.in_((State.OPEN, State.CONFIRMED)), row.created_at > now - LATELY)
        .order_by(row.created_at)
    )
    newest: dict[str, UUID] = dict(found.all())
    for request_id in newest.values():
        outbox.enqueue(session, JobKind.ACCOUNT_LOOK, request_id, now, lane=Lane.BULK)
    return len(newest)


def find_lost(session: Session, request_id: UUID) -> VerificationRequest | None:
    """The request, unless it is known what became of it."""
    request = session.get(VerificationRequest, request_id)
    if request is None or request.state not in {State.OPEN, State.CONFIRMED}:
        return None
    account = accounts.find_by_address(session, request.address)
    is_known = account is not None and account.state == AccountState.READY
    return None if is_known else request


def recognise(
    session: Session, rules: RuleSet, now: datetime, request_id: UUID, user_id: str
) -> bool:
    """Record the account that has this request's address on its homeserver.

    Nothing is changed there, and nobody gets a mail. Returns False if the address is known here as
    somebody else's: what is known is never overwritten.
    """
    request = find_lost(session, request_id)
    if request is None:
        return False
    mails.lock_address(session, request.address)
    address = EmailAddress.stored(request.address)
    bound = associations.find_by_address(session, request.address)
    account = accounts.find_by_address(session, request.address)
    claimed = {each.user_id for each in (bound, account) if each is not None}
    if claimed - {user_id}:
        return False
    if account is None:
        if accounts.find_by_user_id(session, user_id) is not None:
            return False
        try:
            binding.check_homeserver(rules, now, address, user_id, policy="rule")
        except WrongServer:
            return False
        account = _record(session, rules, request, user_id)
    registration.finish(session, now, account)
    return True


def _record(
    session: Session, rules: RuleSet, request: VerificationRequest, user_id: str
) -> Account:
    decision = rules.decide(EmailAddress.stored(request.address))
    account = Account(
        address=request.address,
        user_id=user_id,
        homeserver=homeserver_of(user_id),
        account_class=(decision.account_class or AccountClass.GUEST).value,
        display_name="",
        language=request.language,
        state=AccountState.CREATED,
        creation_mark=f"found-{secrets.token_hex(MARK_BYTES)}",  # nobody has it as a name
        created_at=request.created_at,  # before the backup was loaded: its mail has left
    )
    session.add(account)
    session.flush()
    return account
