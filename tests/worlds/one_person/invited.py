"""What the tables have of somebody who was invited, invites, and is stopped from inviting."""

import uuid
from datetime import timedelta

from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity.bulk_invites import service as bulk_invites, sign_in
from identity.bulk_invites.models import BulkInviteRow, columns_of
from identity.bulk_invites.room_check_models import RoomCheck
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core import outbox
from identity.core.outbox import Job, JobKind, Lane
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

from .names import GIL, ROOM, TAGGED, TYPED, ZOE, ZOES

RAW = f"Nom;Adresse;Remarque\nC.;{TYPED};\nGil;{GIL};voir {TAGGED.display}\nLéa;lea@asso.example;\n"


def be_invited_and_invite(session, services, address, tagged, user_id):
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


def hand_in_lists(session, services, address, user_id):
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
        bulk_invites.confirm(session, rules, now, checked, quota=1000)
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


def be_blocked(session, services, user_id):
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
