"""An account is claimed in the database before the homeserver is asked, and never taken from anybody."""

import secrets
import unicodedata
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from domain_rules import user_ids
from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass, RuleSet
from identity import problems
from identity.accounts import models as accounts
from identity.accounts.models import Account, AccountState
from identity.binding import service as binding
from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.homeservers.models import Homeserver
from identity.invitations import service as invitations
from identity.mail import models as mails
from identity.mail.models import Template
from identity.sign_up import models as verification_requests
from identity.sign_up.models import VerificationRequest
from identity.sign_up.service import Step, step_of
from identity.threepids import associations

MAX_NAME = 80  # characters of a display name
MARK_BYTES = 16


def confirmed_request(session: Session, now: datetime, request_id: UUID) -> VerificationRequest:
    """The request, if the proof it stands for is still good. Raises NoSuchRequest."""
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
    """Take address and user ID for this person, or go on with the claim of an earlier try.

    `another_name`: the user ID of the earlier claim turned out to be taken; propose the next.
    Raises AddressTaken, NameRefused, and InvitationNeeded: since the proof the rules may have changed,
    or the invitation ended.
    """
    account = accounts.of_address(session, request.address)
    if account is not None and account.state == AccountState.READY:
        raise problems.AddressTaken
    bound = associations.of_address(session, request.address)
    # Its homeserver may have told us of the account before we saw our own creation succeed.
    if bound is not None and (account is None or bound.user_id != account.user_id):
        raise problems.AddressTaken
    # What is bound already was let in by the invitation that it took.
    address = EmailAddress.stored(request.address)
    if bound is None and not invitations.may_register(session, rules, now, address):
        raise problems.InvitationNeeded
    moved = account is not None and account.homeserver != homeserver.name
    if account is not None and (moved or another_name):
        # What was begun elsewhere stays there without an address; it hinders nobody.
        session.delete(account)
        session.flush()
        account = None
    if account is None:
        account = _insert(session, rules, now, request, homeserver, another_name=another_name)
    account.display_name, account.language = display_name, request.language
    _note_sponsor(session, now, account)
    return account


def seen_free(account: Account, now: datetime) -> None:
    """The homeserver said that the user ID is free, and is about to be asked to make it."""
    account.seen_free_at = account.seen_free_at or now


def created(account: Account) -> None:
    """The homeserver made the account for us. What it merely did not have before may be anybody's."""
    if account.state == AccountState.CREATING:
        account.state = AccountState.CREATED


def finish(session: Session, now: datetime, account: Account) -> None:
    """The homeserver has the account: associate the address, use its proofs up, order the welcome."""
    if account.state == AccountState.READY:
        return
    account.state, account.ready_at = AccountState.READY, now
    if account.account_class == AccountClass.GUEST:
        _note_sponsor(session, now, account)
        account.access_ends_at = now + invitations.GUEST_ACCESS
    binding.prove(session, now, address=account.address, user_id=account.user_id)
    verification_requests.use_up(session, account.address)
    mails.order(
        session,
        now,
        template=Template.WELCOME,
        address=account.address,
        language=account.language,
        subject_id=account.id,
    )


def abandon(session: Session, account_id: UUID) -> None:
    """The address has an account on the homeserver that is not ours: nothing was made, nothing is kept."""
    account = session.get(Account, account_id, with_for_update=True)
    if account is not None and account.state != AccountState.READY:
        session.delete(account)


def drop_unseen(session: Session, account_id: UUID) -> None:
    """The claim of an account that no homeserver was asked for yet is given back."""
    account = session.get(Account, account_id, with_for_update=True)
    is_begun = account is not None and account.seen_free_at is not None
    if account is not None and account.state == AccountState.CREATING and not is_begun:
        session.delete(account)


def wait_for_server(
    session: Session, now: datetime, request: VerificationRequest, *, lane: Lane = Lane.BULK
) -> None:
    """The homeserver is away: look after it, and write to the person when it is back.

    `lane`: where no worker answered, the lane of accounts, since only a worker that makes accounts empties it.
    """
    entry = outbox.of_subject(session, request.id, JobKind.SERVER_PROBE)
    if entry is None or entry.done_at or entry.gave_up_at:
        outbox.enqueue(session, JobKind.SERVER_PROBE, request.id, now, lane=lane)


def clean_display_name(typed: str) -> str:
    """A name as it may stand in rooms: one line, no control or direction characters, no address in it.

    Raises WrongDisplayName.
    """
    text = " ".join(unicodedata.normalize("NFC", typed).split())
    if not text or len(text) > MAX_NAME or "@" in text or "://" in text:
        raise problems.WrongDisplayName
    if any(unicodedata.category(character)[0] == "C" for character in text):
        raise problems.WrongDisplayName
    return text


def _note_sponsor(session: Session, now: datetime, account: Account) -> None:
    """Of a guest, while the invitation waits: once it is taken, which may be soon, nobody sees who it was."""
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
    localpart = user_ids.localpart(scheme, address, token=secrets.token_hex(16))
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
        faster = accounts.of_address(session, request.address)
        if faster is None:
            # The user ID: the scheme made the same of two addresses (Tchap's can), and nobody gets
            # an account by likeness.
            raise problems.NameRefused from None
        # A second click, or another browser of the same person: go on with the claim that won.
        if faster.state == AccountState.READY or faster.homeserver != homeserver.name:
            raise problems.AddressTaken from None
        return faster
    return account
