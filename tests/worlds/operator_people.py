"""The people of the operator's page: what they did before the operator looks."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import sessions
from identity.accounts.models import Account
from identity.accounts.sessions import BULK_INVITES
from identity.env_files import VARIABLE
from identity.invitations import room_agreement, store_invite
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.registration import service as registration
from identity.services import Services, build_services
from identity.settings import read_settings
from identity.sign_up import service as sign_up
from tests.services.operator.machine import Machine
from tests.services.peer import Peer

AGENTS, GUESTS = "agents.example", "guests.example"
ALICE, CHLOE = "alice.martin@interieur.example", "chloe.petit@interieur.example"
BOB, DAVID = "bob@association.example", "david.leroy@interieur.example"
EMMA = "emma@association.example"
ALICES, CHLOES = (f"@{name}-interieur.example:{AGENTS}" for name in ("alice.martin", "chloe.petit"))
BOBS, DAVIDS = f"@bob:{GUESTS}", f"@david.leroy-interieur.example:{AGENTS}"


class Homeserver(Peer):
    """Answers what `guichet doctor` and `guichet person adopt` ask of a homeserver."""

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path.startswith("/_matrix/client/versions"):
            return 200, b'{"versions": ["v1.11"]}'
        if path.startswith("/_synapse/admin/"):
            found = {
                "user_id": DAVIDS,
                "name": DAVIDS,
                "displayname": "David Leroy",
                "deactivated": False,
                "threepids": [{"medium": "email", "address": DAVID}],
            }
            return 200, json.dumps(found).encode()
        return super()._answer(path)


class People:
    """Alice and Chloé are agents, and Bob is a guest. Alice has invited Emma. David came before Guichet."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def alice_asks_for_a_code(self) -> None:
        with self._session() as (services, session):
            self._ask(session, services, ALICE)
        self.machine.around.relay.wait_for_mail(ALICE)

    def have_lived_here(self) -> None:
        with self._session() as (services, session):
            self._ask(session, services, CHLOE)
            self._account(session, services, ALICE, ALICES, "agent")
            self._account(session, services, CHLOE, CHLOES, "agent")
            self._account(session, services, BOB, BOBS, "guest", sponsor=ALICES)
            sessions.open_session(
                session,
                services.now(),
                purpose=BULK_INVITES,
                user_id=ALICES,
                address=ALICE,
                device="Firefox",
            )
            self._invite(session, services, EMMA)
        self.machine.around.relay.wait_for_mail(EMMA)

    def _ask(self, session: Session, services: Services, address: str) -> None:
        sign_up.start(
            session,
            services.rules.current(),
            services.now(),
            address=EmailAddress.parse(address),
            browser=f"browser of {address}",
            language="fr",
            device="Firefox",
        )

    def _account(
        self,
        session: Session,
        services: Services,
        address: str,
        user_id: str,
        kind: str,
        **more: str,
    ) -> None:
        account = Account(
            address=address,
            user_id=user_id,
            homeserver=user_id.partition(":")[2],
            account_class=kind,
            display_name=address.partition("@")[0],
            language="fr",
            state="created",
            creation_mark=f"mark of {address}",
            created_at=services.now(),
            **more,
        )
        session.add(account)
        session.flush()
        registration.finish(session, services.now(), account)

    def _invite(self, session: Session, services: Services, address: str) -> None:
        row = store_invite.store(
            session,
            services.rules.current(),
            services.now(),
            invited=InviteRequest(
                address, EmailAddress.parse(address), f"!room:{AGENTS}", ALICES, {}
            ),
            key=EphemeralKey(f"public {uuid.uuid4()}", services.vault.seal("an ephemeral key")),
            signing_key_id="ed25519:0",
        )
        room_agreement.confirm(session, services.now(), row, services.hashes)

    @contextmanager
    def _session(self) -> Iterator[tuple[Services, Session]]:
        """One transaction in the database of the machine, as its processes open it."""
        postgresql = self.machine.around.postgresql
        os.environ |= {VARIABLE: str(self.machine.settings_file), "PGPORT": str(postgresql.port)}
        try:
            services = build_services(read_settings())
            with services.database.transaction() as session:
                yield services, session
            services.database.engine.dispose()
        finally:
            os.environ[VARIABLE] = ""
            del os.environ["PGPORT"]
