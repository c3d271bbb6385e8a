"""One request for an account, acted on as a browser would."""

import pytest

from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import Lane
from identity.mail import models as mails
from identity.sign_up import service as sign_up
from identity.sign_up.models import VerificationRequest
from workers import tasks

from . import codes

ANA, BRUNO = "browser of Ana", "browser of Bruno"
WRONG = "00000000"


@pytest.fixture
def start(database, rules, clock, camille):
    def start(browser=ANA, address=camille, language="fr"):
        with database.transaction() as session:
            return sign_up.start(
                session, rules, clock(), address=address, browser=browser, language=language
            )

    return start


@pytest.fixture
def post(services):
    """The worker sends what is due."""

    def post():
        for lane in (Lane.URGENT, Lane.NORMAL):
            tasks.run_lane(services, lane)

    return post


@pytest.fixture
def begin(start, post):
    """`start`, and its mail has left."""

    def begin(*args, **facts):
        request = start(*args, **facts)
        post()
        return request

    return begin


@pytest.fixture
def act(database, clock):
    """`act(not_me.cancel, request)` in a transaction of its own, on the row of now."""

    def act(function, request, *args, tokens=None, **facts):
        with database.transaction() as session:
            row = session.get_one(VerificationRequest, request.id)
            before = (session, tokens, clock(), row) if tokens else (session, clock(), row)
            return function(*before, *args, **facts)

    return act


@pytest.fixture
def sent(database):
    """Template and state of every mail ordered, oldest first."""

    def sent():
        with database.reading() as session:
            return [(mail.template, mail.state) for mail in reversed(mails.find_recent(session))]

    return sent


def reread(database, request):
    with database.reading() as session:
        return session.get_one(VerificationRequest, request.id)


def right_code(database, tokens, request):
    with database.reading() as session:
        return codes.mailed(session, tokens, Purpose.SIGN_UP, request.address)
