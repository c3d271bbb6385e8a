"""Creating an account without HTTP: claim address and user ID, then finish or abandon the claim.

The claim is committed before the homeserver is called, and no account of somebody else is taken.
"""

import secrets
import unicodedata
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from domain_rules import user_ids
from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import RuleSet
from identity import problems
from identity.accounts import models as accounts
from identity.accounts.models import Account, AccountState
from identity.binding import service as binding
from identity.core import continuity, outbox
from identity.core.outbox import JobKind, Lane
from identity.homeservers.models import Homeserver
from identity.invitations import service as invitations
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.sign_up import models as verification_requests
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import Step, step_of
from identity.threepids import associations

MAX_NAME = 80  # characters of a display name
MARK_BYTES = 16


def confirmed_request(session: Session, now: datetime, request_id: UUID) -> VerificationRequest:
    """The request, if it is confirmed and has not expired. Raises NoSuchRequest."""
    request = session.get(VerificationRequest, request_id)
    if request is None or step_of(request, now) is not Step.CONFIRMED:
        raise problems.NoSuchRequest
    return request


def claim(
    session: Session,
    rules: RuleSet,
    now: datetime,
    *,
    request: VerificationRequest,
    homeserver: Homeserver,
    display_name: str,
    another_name: bool = False,
) -> Account:
    """Claim address and user ID for this person, or go on with an earlier claim.

    `another_name`: the user ID of the earlier claim turned out to be taken; propose another.
    Raises AddressTaken, NameRefused, and InvitationNeeded: the rules may have changed since the
    address was verified, or the invitation ended.
    """
    account = accounts.find_by_address(session, request.address)
    if account is not None and account.state == AccountState.READY:
        raise problems.AddressTaken
    bound = associations.find_by_address(session, request.address)
    # The homeserver may have reported the account before we saw our own call succeed.
    if bound is not None and (account is None or bound.user_id != account.user_id):
        raise problems.AddressTaken
    # An address that is bound needs no invitation any more: it was admitted by the one it used.
    address = EmailAddress.stored(request.address)
    if bound is None and not invitations.may_register(session, rules, now, address):
        raise problems.InvitationNeeded
    moved = account is not None and account.homeserver != homeserver.name
    if account is not None and (moved or another_name):
        # An account begun on the other homeserver stays there, without an address.
        session.delete(account)
        session.flush()
        account = None
    if account is None:
        account = _insert(session, rules, now, request, homeserver, another_name=another_name)
    account.display_name, account.language = display_name, request.language
    _record_sponsor(session, now, account)
    return account


def mark_seen_free(account: Account, now: datetime) -> None:
    """Record that the homeserver said that the user ID is free; the call to create it follows."""
    account.seen_free_at = account.seen_free_at or now


def mark_created(account: Account) -> None:
    """Record that our call created the account: one found afterwards could be anybody's."""
    if account.state == AccountState.CREATING:
        account.state = AccountState.CREATED


def finish(session: Session, now: datetime, account: Account) -> None:
    """Conclude a created account: associate the address, mark its requests used, order the mail.

    An account that was begun before a backup was loaded may have had its mail.
    """
    if account.state == AccountState.READY:
        return
    account.state, account.ready_at = AccountState.READY, now
    if account.account_class == AccountClass.GUEST:
        _record_sponsor(session, now, account)
        account.access_ends_at = now + invitations.GUEST_ACCESS
    binding.record_verified(session, now, address=account.address, user_id=account.user_id)
    verification_requests.mark_used(session, account.address)
    if continuity.was_restored_after(session, account.created_at):
        return
    mails.order(
        session,
        now,
        template=Template.WELCOME,
        address=account.address,
        language=account.language,
        subject_id=account.id,
    )


def abandon(session: Session, account_id: UUID) -> None:
    """Delete the claim: the homeserver has an account for the address that we did not create."""
    account = session.get(Account, account_id, with_for_update=True)
    if account is not None and account.state != AccountState.READY:
        session.delete(account)


def drop_unseen(session: Session, account_id: UUID) -> None:
    """Delete the claim if the homeserver was not called for it yet."""
    account = session.get(Account, account_id, with_for_update=True)
    is_begun = account is not None and account.seen_free_at is not None
    if account is not None and account.state == AccountState.CREATING and not is_begun:
        session.delete(account)


def wait_for_homeserver(
    session: Session,
    now: datetime,
    request: VerificationRequest,
    *,
    homeserver: str,
    lane: Lane = Lane.BULK,
) -> None:
    """Enqueue the job that probes the homeserver and writes to the person when it is back.

    `lane`: Lane.ACCOUNTS if no worker that creates accounts was there, since only such a worker
    takes jobs of that lane.
    """
    job = outbox.find_by_subject(session, request.id, JobKind.SERVER_PROBE)
    if job is None or job.done_at or job.gave_up_at:
        outbox.enqueue(
            session, JobKind.SERVER_PROBE, request.id, now, lane=lane, homeserver=homeserver
        )


def clean_display_name(typed: str) -> str:
    """The display name on one line, without control or direction characters, @ and ://.

    Raises WrongDisplayName.
    """
    text = " ".join(unicodedata.normalize("NFC", typed).split())
    if not text or len(text) > MAX_NAME or "@" in text or "://" in text:
        raise problems.WrongDisplayName
    if any(unicodedata.category(character)[0] == "C" for character in text):
        raise problems.WrongDisplayName
    return text


def _record_sponsor(session: Session, now: datetime, account: Account) -> None:
    """Record a guest's sponsor while the invitation waits; it is not found once delivered."""
    if account.sponsor is None and account.account_class == AccountClass.GUEST:
        account.sponsor = invitations.sponsor_of(session, account.address, now)


def _insert(
    session: Session,
    rules: RuleSet,
    now: datetime,
    request: VerificationRequest,
    homeserver: Homeserver,
    *,
    another_name: bool,
) -> Account:
    address = EmailAddress.stored(request.address)
    decision = rules.decide(address)
    scheme = user_ids.Scheme(homeserver.user_id_scheme)
    localpart = user_ids.make_localpart(scheme, address, token=secrets.token_hex(16))
    if another_name and scheme is not user_ids.Scheme.RANDOM:
        raise problems.NameRefused
    account = Account(
        address=request.address,
        user_id=f"@{localpart}:{homeserver.name}",
        homeserver=homeserver.name,
        account_class=(decision.account_class or AccountClass.GUEST).value,
        display_name="",
        language=request.language,
        state=AccountState.CREATING,
        creation_mark=f"guichet-{secrets.token_hex(MARK_BYTES)}",
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:
        faster = accounts.find_by_address(session, request.address)
        if faster is None:
            # The user ID is taken: the scheme derives the same from two addresses (Tchap's can).
            # Similar addresses must not share an account.
            raise problems.NameRefused from None
        # A second click, or the same person in another browser: go on with the claim that won.
        if faster.state == AccountState.READY or faster.homeserver != homeserver.name:
            raise problems.AddressTaken from None
        return faster
    return account
