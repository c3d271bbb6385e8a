"""Operators with passkeys, and the browser in which they use them."""

import secrets

import pytest

from identity.operators.passkeys import service as passkeys
from identity.operators.passkeys.challenges import Asked
from identity.operators.passkeys.models import Ceremony
from identity.operators.passkeys.site import offered_at
from identity.settings import Settings
from tests.worlds.authenticators import Authenticator
from tests.worlds.operators import *

ORIGIN = "http://localhost:8090"  # browsers make passkeys here, too


class AtTheDesk:
    """One browser with an authenticator, and what this service says to it."""

    def __init__(self, services, clock, **kind) -> None:
        self.services, self.clock = services, clock
        self.site = offered_at(services.settings.public_url, services.settings.service_name)
        self.cookie = secrets.token_urlsafe(32)
        self.authenticator = Authenticator(services.settings.public_url, **kind)

    def asked(self, ceremony, session_id=None) -> Asked:
        return Asked(self.cookie, ceremony, session_id)

    def options_to_add(self, operator, asked):
        with self.services.database.transaction() as session:
            found = operators.find(session, operator.id)
            return passkeys.options_to_add(session, self.clock(), self.site, asked, operator=found)

    def options_to_prove(self, asked, operator=None):
        known = operator.id if operator else None
        with self.services.database.transaction() as session:
            return passkeys.options_to_prove(
                session, self.clock(), self.site, asked, operator_id=known
            )

    def add(self, operator, *, name="office laptop", asked=None, sent=None, **wrong):
        """The operator adds a passkey; None if it is refused."""
        asked = asked or self.asked(Ceremony.ADD)
        sent = sent or self.authenticator.create(self.options_to_add(operator, asked), **wrong)
        with self.services.database.transaction() as session:
            return passkeys.add(
                session,
                self.clock(),
                self.site,
                asked,
                who=Actor(operator.name, "console"),
                operator=operators.find(session, operator.id),
                name=name,
                sent=sent,
            )

    def send(self, sent, asked, operator=None):
        """What becomes of an answer."""
        known = operator.id if operator else None
        with self.services.database.transaction() as session:
            return passkeys.try_answer(
                session, self.clock(), self.site, asked, sent=sent, operator_id=known
            )

    def sign_in(self, **wrong):
        """Ask for a challenge, and answer it."""
        asked = self.asked(Ceremony.SIGN_IN)
        sent = self.authenticator.get(self.options_to_prove(asked), **wrong)
        return self.send(sent, asked)


@pytest.fixture
def console_url() -> str | None:
    """The console's own origin; None: the public one."""
    return None


@pytest.fixture
def settings(tmp_path, console_url) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=tmp_path,
        secret_keys="a-key-for-the-tests-that-is-long-enough",
        public_url=ORIGIN,
        console_url=console_url,
    )


@pytest.fixture
def desk(services, clock):
    return AtTheDesk(services, clock)


@pytest.fixture
def her_desk(desk, ada, apps):
    """Ada's browser, where she has added a passkey."""
    apps.enrol(ada)
    assert desk.add(ada) is not None
    return desk
