"""What the tables have of somebody who signed up: requests, codes, accounts, and what a Matrix client left."""

import uuid
from datetime import timedelta

from identity.accounts import sessions as people_sessions
from identity.accounts.models import Account
from identity.accounts.sessions import BULK_INVITES
from identity.core import outbox
from identity.core.one_time_codes import models as codes, service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import JobKind, Lane
from identity.registration import models as account_attempts, service as registration
from identity.sign_up import service as sign_up_requests
from identity.threepids import account_models as identity_accounts, peppers
from identity.threepids.validation_sessions import ValidationSession
from tests.worlds.services import EDUCATION

from .names import GIL


def sign_up(session, services, address, tagged):
    now, rules = services.now(), services.rules.current()
    pepper = peppers.add(session, now)
    peppers.put_in_force(session, now, pepper, grace=timedelta(days=1))
    facts = {"language": "fr", "device": "Firefox"}
    for each in (address, tagged):
        sign_up_requests.start(
            session, rules, now, address=each, browser=f"browser of {each}", **facts
        )
    confirmed = sign_up_requests.open_confirmed(
        session,
        now,
        address=address.canonical,
        homeserver=EDUCATION,
        browser="another",
        language="fr",
    )
    code = one_time_codes.issue_for_mail(
        session, services.tokens, now, Purpose.SIGN_UP, address.canonical
    )
    codes.mark_used(session, code, now, "another")
    session.add(
        codes.WrongTry(
            at=now,
            purpose=Purpose.SIGN_UP,
            address=address.canonical,
            near="n",
            far="f",
            guessed_digits=8,
        )
    )
    attempt = account_attempts.begin(
        session,
        None,
        request_id=confirmed.id,
        homeserver=EDUCATION,
        display_name=f"Camille Durand {address.canonical}",
        language="fr",
        begun_at=now,
    )
    account_attempts.store_password(session, now, attempt, "sealed")
    outbox.enqueue(session, JobKind.ACCOUNT, attempt, now, lane=Lane.ACCOUNTS)
    outbox.enqueue(session, JobKind.SERVER_PROBE, confirmed.id, now, lane=Lane.BULK)


def make_account(session, services, address, user_id):
    now = services.now()
    account = Account(
        address=address.canonical,
        user_id=user_id,
        homeserver=EDUCATION,
        account_class="agent",
        display_name="Camille Durand",
        language="fr",
        state="created",
        creation_mark="mark",
        created_at=now,
    )
    session.add(account)
    session.flush()
    registration.finish(session, now, account)
    session.add(
        Account(
            address=GIL,
            user_id="@gil:guests.example",
            homeserver="guests.example",
            account_class="guest",
            display_name="Gil",
            language="fr",
            state="ready",
            creation_mark="mark of Gil",
            created_at=now,
            sponsor=user_id,
        )
    )
    people_sessions.open_session(
        session,
        now,
        purpose=BULK_INVITES,
        user_id=user_id,
        address=address.canonical,
        device="Firefox",
    )


def use_matrix_client(session, services, address, user_id):
    now = services.now()
    identity_accounts.issue(session, now, user_id=user_id)
    identity_accounts.accept(session, now, user_id=user_id, urls=["https://terms.example/1"])
    identity_accounts.record_end(session, now, user_id)
    opened = ValidationSession(
        id=uuid.uuid4(),
        address=address.canonical,
        secret_hash="hash",
        sealed_secret=services.vault.seal("secret"),
        user_id=user_id,
        device="Element",
        language="fr",
        send_attempt=1,
        next_link=f"https://client.example/?a={address.canonical}",
        created_at=now,
        asked_at=now,
    )
    session.add(opened)
    session.flush()
    one_time_codes.issue_for_mail(session, services.tokens, now, Purpose.CLIENT, opened.sid)
