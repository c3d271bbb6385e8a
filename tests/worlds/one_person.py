"""Camille in every table that can hold somebody: an agent at a domain with accents, who wrote, invited and was invited."""

import base64
import hashlib
import json
import subprocess
import uuid
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url, select, text

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.accounts import (
    agents,
    feed_state,
    room_members,
    sessions as people_sessions,
    successions,
    verified_addresses,
)
from identity.accounts.models import Account
from identity.accounts.sessions import BULK_INVITES
from identity.bulk_invites import service as bulk_invites, sign_in
from identity.bulk_invites.models import BulkInviteRow, columns_of
from identity.bulk_invites.room_check_models import RoomCheck
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core import outbox
from identity.core.journal import Actor
from identity.core.one_time_codes import models as codes, service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import Job, JobKind, Lane
from identity.homeservers import models as homeservers
from identity.invitations import (
    block_models,
    history,
    muting,
    opting_out,
    room_agreement,
    store_invite,
)
from identity.invitations.block_models import InviterBlock
from identity.invitations.history import Happened
from identity.invitations.lost import LostInvitation
from identity.invitations.models import Delivery, State, ThirdPartyInvitation
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.mail import models as mails, results
from identity.mail.models import MailState
from identity.mail.quota import Template
from identity.registration import models as account_attempts, service as registration
from identity.rule_changes import service as rule_changes
from identity.sign_up import service as sign_up
from identity.synapse_api import report_models
from identity.tables import METADATA
from identity.threepids import account_models as identity_accounts, associations, peppers
from identity.threepids.validation_sessions import ValidationSession
from tests.services.postgresql import find_binaries
from tests.worlds.services import EDUCATION

DOMAIN = "éducation-rouen.example"
TYPED = f"Camille.DURAND@{DOMAIN.upper()}"
CAMILLE = EmailAddress.parse(TYPED)
TAGGED = EmailAddress.parse(f"camille.durand+listes@{DOMAIN}")
LOCAL = CAMILLE.local
HERS = f"@{LOCAL}-{CAMILLE.ascii_domain.replace('-', '=2d')}:{EDUCATION}"
ZOE, ZOES = "@zoe:education.example", "zoe.martin@ac-rouen.example"
GIL = "gil@association.example"
ROOM = "!room:education.example"
OLGA = Actor("olga", "here", "she asked for it")
RAW = f"Nom;Adresse;Remarque\nC.;{TYPED};\nGil;{GIL};voir {TAGGED.display}\nLéa;lea@asso.example;\n"


def fill_every_story(services, *, address=CAMILLE, tagged=TAGGED, user_id=HERS) -> None:
    """One person in all tables, by the services that people reach; rows by hand where those need a network."""
    with services.database.transaction() as session:
        _open_her_domain(session, services)
        _sign_up(session, services, address, tagged, user_id)
        _matrix_client(session, services, address, user_id)
        _invitations(session, services, address, tagged, user_id)
        _bulk_invites(session, services, address, user_id)
        _mails(session, services, address, tagged)
        _reports(session, services, user_id)
        _blocked(session, services, user_id)


def _open_her_domain(session, services):
    now = services.now()
    rule = Rule(
        RuleKind.DOMAIN, CAMILLE.ascii_domain, AccountClass.AGENT, EDUCATION, requires_invite=False
    )
    difference = rule_changes.compare(session, put=[rule])
    rule_changes.publish(session, now, difference, OLGA)
    homeservers.find(session, EDUCATION).class_source = "by_person"
    session.flush()
    associations.bind(session, now, address=ZOES, user_id=ZOE)
    verified_addresses.add(session, now, user_id=ZOE, address=ZOES)


def _sign_up(session, services, address, tagged, user_id):
    now, rules = services.now(), services.rules.current()
    pepper = peppers.add(session, now)
    peppers.put_in_force(session, now, pepper, grace=timedelta(days=1))
    facts = {"language": "fr", "device": "Firefox"}
    for each in (address, tagged):
        sign_up.start(session, rules, now, address=each, browser=f"browser of {each}", **facts)
    confirmed = sign_up.open_confirmed(
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
    _accounts(session, services, address, user_id)


def _accounts(session, services, address, user_id):
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


def _matrix_client(session, services, address, user_id):
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


def _invitations(session, services, address, tagged, user_id):
    now = services.now()
    invited = [
        (TAGGED if tagged is None else tagged, ZOE),
        (EmailAddress.parse(GIL), user_id),
        (EmailAddress.parse("lea@asso.example"), ZOE),
    ]
    for number, (whom, sender) in enumerate(invited):
        row = store_invite.store(
            session,
            services.rules.current(),
            now,
            invited=InviteRequest(
                whom.display,
                whom,
                f"!{number}:education.example",
                sender,
                {"room_name": f"Room of {address.canonical}", "sender_display_name": "Z."},
            ),
            key=EphemeralKey(f"public {uuid.uuid4()}", "sealed"),
            signing_key_id="ed25519:0",
        )
        room_agreement.confirm(session, now, row, services.hashes)
    taken, old, joined = (
        ThirdPartyInvitation(
            address=services.hashes.pseudonym_of(session, address.canonical)
            if number == 1
            else address.canonical,
            room_id=f"!then{number}:education.example",
            sender=user_id if number == 2 else ZOE,
            token=f"token {number}",
            public_key=f"then {number}",
            sealed_key="sealed",
            signing_key_id="ed25519:0",
            facts={"sender_display_name": f"for {address.display}"},
            for_guest=False,
            created_at=now - timedelta(days=60),
            expires_at=now - timedelta(days=30),
            state=state,
            ended_at=None,
            delivery=Delivery.DELIVERED,
            invitee=user_id,
            last_error=f"no {address.canonical}",
        )
        for number, state in enumerate((State.DELIVERED, State.DELIVERED, State.JOINED))
    )
    session.add_all((taken, old, joined))
    session.flush()
    detail = f"to {address.canonical}"
    history.add_event(session, taken.id, now, Happened.ACCEPTED, by=user_id, detail=detail)
    outbox.enqueue(session, JobKind.ONBIND, taken.id, now, lane=Lane.NORMAL)
    muting.mute(session, services.hashes, now, address=tagged.canonical, sender="@eve:x.example")
    muting.mute(session, services.hashes, now, address=GIL, sender=user_id)
    opting_out.opt_out(session, services.hashes, now, tagged.canonical)


def _bulk_invites(session, services, address, user_id):
    now, rules = services.now(), services.rules.current()
    sign_in.request_code(session, now, address=address, language="fr")
    asked = session.scalars(select(sign_in.BulkInviteSignIn)).first()
    asked.user_id = user_id
    room = RoomSeen(ROOM, f"Room of {address.canonical}")
    for owner in (Owner(user_id, address.canonical, "fr"), Owner(ZOE, ZOES, "fr")):
        checked = bulk_invites.check(
            session,
            rules,
            now,
            owner=owner,
            room=room,
            raw=RAW.encode(),
            file_name=f"{address.canonical}.csv",
        )
        checked.column_name = f"{address.canonical}"
        bulk_invites.confirm(session, rules, now, checked)
    waiting = bulk_invites.check(
        session,
        rules,
        now,
        owner=Owner(ZOE, ZOES, "fr"),
        room=room,
        raw=f"Un;Deux\n{TYPED};{GIL}\nlea@asso.example;{address.display}\n".encode(),
    )
    for column in columns_of(session, waiting.id):
        column.name = f"Contact de {address.canonical}"
    row = session.scalars(
        select(BulkInviteRow).where(BulkInviteRow.address == "lea@asso.example")
    ).first()
    row.aside, row.detail = f"voir {address.display}", f"meant {address.canonical}?"
    check = RoomCheck(
        id=uuid.uuid4(),
        user_id=user_id,
        room_id=ROOM,
        asked_at=now,
        answer={"name": address.display},
    )
    session.add(check)
    session.flush()
    outbox.enqueue(session, JobKind.ROOM_LOOK, check.id, now, lane=Lane.URGENT)


def _mails(session, services, address, tagged):
    now = services.now()
    for each in (address, tagged):
        mail = mails.order(
            session,
            now,
            template=Template.EXISTS,
            address=each.canonical,
            language="fr",
            subject_id=uuid.uuid4(),
        )
        mail.state, mail.last_reply = MailState.REFUSED, f"550 no {each.canonical}"
    session.flush()
    results._strike(session, services.hashes, now, address.canonical)
    job = session.scalars(select(Job).where(Job.kind == JobKind.MAIL)).first()
    job.last_error = f"refused: 550 {address.canonical}"


def _reports(session, services, user_id):
    now = services.now()
    room_members.record_join(session, now, room_id=ROOM, user_id=user_id)
    successions.record_succession(
        session, now, predecessors=["@before:x.example", user_id], successor=user_id
    )
    successions.record_succession(
        session, now, predecessors=[user_id], successor="@after:x.example"
    )
    report_models.add_refusals(
        session, user_id=user_id, reason="guest_cannot_invite", count=2, last_at=now
    )
    feed_state.lock_state(session)
    agents.publish(session, [user_id], number=1, is_agent=True)


def _blocked(session, services, user_id):
    now = services.now()
    facts = {"since": now, "until": None, "author": "olga", "reason": ""}
    session.add(InviterBlock(user_id=user_id, **facts))
    room = {"token": "lost", "room_id": "!lost:education.example", "shown": "g…@a…"}
    session.add(LostInvitation(sender=user_id, found_at=now, **room))
    waiting = Job(
        kind=JobKind.LIST_ROW,
        lane=Lane.BULK,
        subject_id=uuid.uuid4(),
        created_at=now,
        due_at=now + timedelta(days=365),
        held_by=block_models.key_of(user_id),
        held_at=now,
    )
    session.add(waiting)


def dump(database) -> str:
    """The whole database, as a thief would take it: pg_dump, or the files of SQLite. In lower case."""
    url = make_url(str(database.engine.url.render_as_string(hide_password=False)))
    if url.get_backend_name() == "sqlite":
        files = [Path(url.database + end) for end in ("", "-wal", "-shm")]
        raw = b"".join(path.read_bytes() for path in files if path.exists())
        return raw.decode("utf-8", "replace").lower()
    command = [
        str(find_binaries() / "pg_dump"),
        *("--host", url.host, "--port", str(url.port), "--username", url.username),
        url.database,
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode().lower()


def traces(services, *, address=CAMILLE, tagged=TAGGED, user_id=HERS) -> dict[str, str]:
    """Every form in which she may stand somewhere, by what it is. Take it before she is erased."""
    found = {"local part": address.local, "user ID": user_id, "name": "Camille Durand"}
    with services.database.transaction() as session:
        hashes, names = services.hashes, []
        for each in (address, tagged):
            names += [each.canonical, each.display, each.mailbox_key(), each.untagged]
            for number, one in enumerate(hashes.hashes_of_mailbox(session, each.canonical)):
                found[f"opt-out {number} of {each}"] = one
            found[f"pseudonym of {each}"] = hashes.pseudonym_of(session, each.canonical)
        for name in dict.fromkeys(names):
            raw = name.encode()
            found[f"hex of {name}"] = raw.hex()
            found[f"base64 of {name}"] = base64.b64encode(raw).decode().rstrip("=")[:-1]
            found[f"SHA-256 of {name}"] = hashlib.sha256(raw).hexdigest()
            found[f"JSON of {name}"] = json.dumps(name)[1:-1]
            found[f"log of {name}"] = hashes.hash_for_erasures(session, name)
            for pepper in session.scalars(select(peppers.Pepper)):
                lookup = peppers.hash_address(name, "email", pepper.pepper)
                found[f"lookup {pepper.number} of {name}"] = lookup
                digest = base64.urlsafe_b64decode(lookup + "=")
                found[f"hex of lookup {pepper.number} of {name}"] = digest.hex()
    return {what: trace.lower() for what, trace in found.items()}


def count_rows(database) -> int:
    """All rows of all tables."""
    with database.reading() as session:
        return sum(
            session.scalar(text(f"select count(*) from {table}")) or 0 for table in METADATA.tables
        )
