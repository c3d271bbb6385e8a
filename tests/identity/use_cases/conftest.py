"""One request for an account, acted on as a browser would."""

import pytest

from identity.storage import mails
from identity.storage.verification_requests import VerificationRequest
from identity.use_cases import sign_up

ANA, BRUNO = "browser of Ana", "browser of Bruno"
WRONG = "000000"


@pytest.fixture
def start(database, rules, clock, camille):
    def start(browser=ANA, address=camille, language="fr"):
        with database.transaction() as session:
            return sign_up.start(
                session, rules, clock(), address=address, browser=browser, language=language
            )

    return start


@pytest.fixture
def act(database, clock):
    """`act(sign_up.cancel, request)` in a transaction of its own, on the row of now."""

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
            return [(mail.template, mail.state) for mail in reversed(mails.recent(session))]

    return sent


def reread(database, request):
    with database.reading() as session:
        return session.get_one(VerificationRequest, request.id)


def right_code(tokens, request):
    return tokens.code(request.id, request.code_generation)
