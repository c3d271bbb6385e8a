"""The console on a real database, and operators in browsers of their own."""

import re

import pytest

from identity.app import create_app
from identity.operators import links, models as operators, service as operating, sessions
from identity.operators.models import LinkKind
from tests.worlds.operators import *
from tests.worlds.visitors import Visitor


class Browser(Visitor):
    """One operator's browser; `post` sends the form of the page that it last saw."""

    def __init__(self, app, services, language="en") -> None:
        super().__init__(app, language, services)
        self.seen = ""

    def get(self, path):
        answer = super().get(path)
        self.seen = answer.text
        return answer

    def send(self, path, **fields):
        """Send a form as the page that was last seen has it."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.seen)
        if token is None:
            self.get("/admin/sign-in/once/none")
            token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/start").text)
        data = {"csrf_token": token[1], **fields}
        answer = self.client.post(path, data=data, headers=self.headers)
        self.seen = answer.text
        return answer


@pytest.fixture
def app(services):
    return create_app(services)


@pytest.fixture
def browser(app, services):
    return Browser(app, services)


@pytest.fixture
def sign_in(app, services, clock):
    """A browser in which this operator is signed in, and has just proved their second factor."""

    def sign_in(operator, *, language="en", proved=True):
        with services.database.transaction() as session:
            found = operators.find(session, operator.id)
            found.language = language
            token = sessions.open_session(session, clock(), found, proved=proved)
        made = Browser(app, services, language)
        made.client.set_cookie("guichet-ops", token)
        return made

    return sign_in


@pytest.fixture
def local(services, clock):
    """The operator of a trial installation."""
    with services.database.transaction() as session:
        return operating.make_embedded(session, clock())


@pytest.fixture
def link_for(services, clock):
    def link_for(operator):
        with services.database.transaction() as session:
            token = links.issue(session, clock(), operator.id, LinkKind.SIGN_IN)
        return f"/admin/sign-in/once/{token}"

    return link_for
