"""What support reads first of a person is true in every state that a sign-up can be in."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import delete

from domain_rules.addresses import EmailAddress
from identity.accounts.models import Account, AccountState
from identity.core import outbox
from identity.core.journal import Actor
from identity.core.one_time_codes.models import OneTimeCode, WrongTry
from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from identity.homeservers import changing
from identity.invitations.models import ThirdPartyInvitation
from identity.mail import models as mails
from identity.mail.models import MailState
from identity.mail.pausing import PAUSED
from identity.people import in_short
from identity.people.in_short import Situation
from identity.sign_up import models as requests, service as sign_up
from tests.worlds.operators import *
from tests.worlds.person_files import *


@pytest.fixture
def tell(services, open_file, find):
    """What is said in short of an address now; also its file and the name of the situation."""

    def tell(address):
        file_id = open_file(EmailAddress.stored(address))
        with services.database.reading() as session:
            opened = find(session, file_id)
            return in_short.tell(session, services.hashes, services.now(), opened)

    return tell


AGENT, GUEST = "lea@ac-rouen.example", "lea@association.example"


def ask_to_sign_up(services, address):
    with services.database.transaction() as session:
        sign_up.start(
            session,
            services.rules.current(),
            services.now(),
            address=EmailAddress.stored(address),
            browser="b" * 64,
            language="fr",
        )


def invite(services, address, **facts):
    token, now = str(uuid.uuid4()), services.now()
    with services.database.transaction() as session:
        session.add(
            ThirdPartyInvitation(
                address=address,
                room_id="!room:education.example",
                sender="@zoe:education.example",
                token=token,
                public_key=token,
                sealed_key="sealed",
                signing_key_id="ed25519:0",
                facts={},
                for_guest=True,
                created_at=now,
                **facts,
            )
        )


def let_mail(services, address, state=MailState.WAITING, **job):
    """The newest mail to this address is in this state, and its job has these facts."""
    with services.database.transaction() as session:
        mail = mails.find_by_address(session, address)[0]
        mail.state = state
        for name, value in job.items():
            setattr(outbox.find_by_subject(session, mail.id), name, value)


@pytest.mark.parametrize(
    ("state", "job", "situation"),
    [
        (MailState.WAITING, {}, Situation.MAIL_WAITS),
        (MailState.WAITING, {"held_by": "mails"}, Situation.MAIL_STOPPED),
        (MailState.WAITING, {"last_error": PAUSED}, Situation.MAIL_STOPPED),
        (MailState.HANDED, {}, Situation.CODE_AWAITED),
        (MailState.REFUSED, {}, Situation.MAIL_REFUSED),
        (MailState.GAVE_UP, {}, Situation.MAIL_GAVE_UP),
        (MailState.DROPPED, {}, Situation.MAIL_NOT_SENT),
        (MailState.WITHHELD, {}, Situation.MAIL_NOT_SENT),
    ],
)
def test_in_short_says_what_became_of_the_mail(services, tell, state, job, situation):
    ask_to_sign_up(services, AGENT)
    let_mail(services, AGENT, state, **job)
    assert tell(AGENT).situation is situation


def test_in_short_says_that_a_guest_needs_an_invitation(services, tell, clock):
    assert tell(GUEST).situation is Situation.NEEDS_INVITATION
    invite(services, GUEST, expires_at=clock() + timedelta(days=30))
    assert tell(GUEST).situation is Situation.INVITED
    # The mail that says that nobody has invited them carries no code.
    clock.advance(days=31)
    ask_to_sign_up(services, GUEST)
    let_mail(services, GUEST, MailState.HANDED)
    assert tell(GUEST).situation is Situation.NEEDS_INVITATION


def test_in_short_says_that_nobody_may_sign_up(services, tell, clock):
    who = Actor("Ines", "here", "attack")
    for what, domain in ((Frozen.SIGN_UPS, ""), (Frozen.DOMAIN, "ac-rouen.example")):
        with services.database.transaction() as session:
            freezing.freeze(session, clock(), who, what, domain=domain)
        assert tell(AGENT).situation is Situation.STOPPED
        with services.database.transaction() as session:
            freezing.thaw(session, clock(), who, what, domain=domain)
        assert tell(AGENT).situation is Situation.NOTHING
    with services.database.transaction() as session:
        changing.retire(session, clock(), who, "education.example")
    assert tell(AGENT).situation is Situation.STOPPED


def test_in_short_says_when_a_verified_address_is_so_no_more(services, tell, clock):
    ask_to_sign_up(services, AGENT)
    let_mail(services, AGENT, MailState.HANDED)
    with services.database.transaction() as session:
        request = requests.find_newest(session, AGENT)
        request.state, request.confirmed_at = requests.State.CONFIRMED, clock()
    assert tell(AGENT).situation is Situation.VERIFIED
    clock.advance(days=8)
    assert tell(AGENT).situation is Situation.REQUEST_OVER


def test_in_short_says_that_an_account_was_not_finished(services, tell, clock):
    with services.database.transaction() as session:
        session.add(
            Account(
                address=AGENT,
                user_id="@lea:education.example",
                homeserver="education.example",
                account_class="agent",
                display_name="Lea",
                language="fr",
                state=AccountState.CREATING,
                creation_mark="mark",
                created_at=clock(),
            )
        )
    assert tell(AGENT).situation is Situation.ACCOUNT_BEGUN
    clock.advance(hours=1)
    assert tell(AGENT).situation is Situation.ACCOUNT_STUCK


def test_in_short_says_when_the_first_of_twenty_wrong_codes_is_a_day_old(services, tell, clock):
    began_at = clock()
    for _ in range(20):
        lock_codes(services, AGENT, 0)
        with services.database.transaction() as session:
            session.execute(delete(OneTimeCode))
            at = clock.advance(minutes=1)
            session.add(
                WrongTry(at=at, purpose="sign_up", address=AGENT, near="", far="", guessed_digits=8)
            )
    told = tell(AGENT)
    assert told.situation is Situation.ADDRESS_LOCKED
    assert told.values == {"n": 20, "until": began_at + timedelta(days=1, minutes=1)}


@pytest.mark.parametrize(
    ("wrong", "situation"), [(4, "needs_invitation"), (5, "codes_locked"), (20, "address_locked")]
)
def test_in_short_says_first_that_codes_are_locked(services, tell, wrong, situation):
    lock_codes(services, GUEST, wrong)
    assert tell(GUEST).situation == situation
