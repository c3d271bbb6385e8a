"""Invitations and mails that operators find in the console, somebody of support, and what is stored of them."""

import uuid
from datetime import timedelta

import pytest

from identity.core import journal
from identity.invitations.models import ThirdPartyInvitation
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.operators.roles import Role

WHY = "ticket 4412"
ZOE = "@zoe:education.example"


@pytest.fixture
def invite(services, clock):
    """An invitation as a homeserver stored it; returns its id."""

    def invite(**facts):
        token = str(uuid.uuid4())
        stored = {
            "address": "gil@asso.example",
            "room_id": "!room:education.example",
            "sender": ZOE,
            "token": token,
            "public_key": token,
            "sealed_key": "sealed",
            "signing_key_id": "ed25519:0",
            "facts": {},
            "for_guest": True,
            "created_at": clock(),
            "expires_at": clock() + timedelta(days=30),
        }
        with services.database.transaction() as session:
            row = ThirdPartyInvitation(**stored | facts)
            session.add(row)
            session.flush()
            return row.id

    return invite


@pytest.fixture
def order(services, clock):
    """A mail is ordered; returns its id."""

    def order(address="gil@asso.example", template=Template.INVITE):
        with services.database.transaction() as session:
            mail = mails.order(
                session,
                clock(),
                template=template,
                address=address,
                language="fr",
                subject_id=uuid.uuid4(),
            )
            session.flush()
            return mail.id

    return order


@pytest.fixture
def sal(make_operator):
    return make_operator("Sal", Role.SUPPORT)


@pytest.fixture
def stored(services):
    """A row of a table, as it stands now."""

    def stored(table, key):
        with services.database.reading() as session:
            return session.get(table, key)

    return stored


@pytest.fixture
def last_row(services):
    """The newest row of the journal."""

    def last_row():
        with services.database.reading() as session:
            return journal.find_recent(session, limit=1)[0]

    return last_row
