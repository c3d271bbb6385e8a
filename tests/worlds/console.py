"""The console on a real database, and operators in browsers of their own."""

import re
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from identity.app import create_app
from identity.core.outbox import Lane
from identity.operators import links, models as operators, service as operating, sessions
from identity.operators.models import LinkKind
from tests.worlds.mails import text_of
from tests.worlds.operators import *
from tests.worlds.visitors import Visitor
from workers import tasks


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
        seen = re.search(r'name="seen" value="([^"]+)"', self.seen)
        data = {"csrf_token": token[1], **({"seen": seen[1]} if seen else {}), **fields}
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


class Mailbox:
    """What the worker has mailed, newest last."""

    def __init__(self, services, postbox) -> None:
        self.services, self.postbox = services, postbox

    def deliver(self):
        """The worker sends what is due; returns (to, template) of each new mail."""
        before = len(self.postbox.sent)
        for lane in (Lane.URGENT, Lane.NORMAL):
            tasks.run_lane(self.services, lane)
        return [
            (each["To"], each["X-Guichet-Template"].partition(";")[0])
            for each in self.postbox.sent[before:]
        ]

    def text(self) -> str:
        return text_of(self.postbox.sent[-1])

    def code(self) -> str:
        """The digits of the newest mail with a code."""
        found = [text_of(each) for each in self.postbox.sent if "operator_code" in str(each)]
        return re.search(r"^(\d{4} \d{4})$", found[-1], re.MULTILINE)[1]

    def link(self, template="operator_code") -> str:
        """The path of the link in the newest mail of this template."""
        found = [text_of(each) for each in self.postbox.sent if template in str(each)]
        return re.search(r"(/v/\S+)", found[-1])[1]


@pytest.fixture
def mailbox(services, postbox):
    return Mailbox(services, postbox)


@pytest.fixture
def link_for(services, clock):
    def link_for(operator):
        with services.database.transaction() as session:
            token = links.issue(session, clock(), operator.id, LinkKind.SIGN_IN)
        return f"/admin/sign-in/once/{token}"

    return link_for


@pytest.fixture
def count_queries(database):
    """`with count_queries() as counted:` … `counted()` says how many were asked."""

    @contextmanager
    def counting():
        asked = []

        def note(_connection, _cursor, statement, *_rest):
            if statement != "BEGIN":  # on SQLite a statement of its own, and no question
                asked.append(statement)

        event.listen(database.engine, "before_cursor_execute", note)
        try:
            yield lambda: len(asked)
        finally:
            event.remove(database.engine, "before_cursor_execute", note)

    return counting
