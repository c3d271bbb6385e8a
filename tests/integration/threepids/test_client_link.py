"""The link of a Matrix client's mail: opening it moves nothing, the code does."""

from uuid import UUID

import pytest

from domain_rules.addresses import EmailAddress
from identity.app import create_app
from identity.core.one_time_codes.models import Purpose
from identity.settings import Settings
from identity.threepids import validation, validation_sessions
from identity.threepids.validation import Wanted
from tests.worlds import codes
from tests.worlds.pages import *
from tests.worlds.visitors import heading, words

ADDRESS = "camille.durand@ac-rouen.example"
CAMILLE = "@camille:education.example"
SECRET = "monkeys_are_GREAT"
SUBMIT = "/_matrix/identity/v2/validate/email/submitToken"
DONE = "Votre adresse est confirmée"


@pytest.fixture
def asked(site, clock):
    """A session as a client opened it; `asked(next_link=…)`."""

    def asked(**facts):
        wanted = Wanted(EmailAddress.parse(ADDRESS), SECRET, 1, CAMILLE, "Element", "fr", **facts)
        with site.services.database.transaction() as session:
            return validation.request_validation(session, site.services.vault, clock(), wanted)

    return asked


def link(site, session):
    return f"/v/{site.services.tokens.link(session.id, 'client')}"


def code(site, session):
    site.post()
    return site.mailed_code(Purpose.CLIENT, session.sid)


def reread(site, session):
    with site.services.database.reading() as reading:
        return validation_sessions.find(reading, UUID(session.sid))


def submit(site, session, handed_in, **facts):
    query = {"sid": session.sid, "client_secret": SECRET, "token": handed_in} | facts
    return site.app.test_client().get(SUBMIT, query_string=query)


def test_the_page_says_which_account_asked_and_shows_no_address(site, ana, asked):
    session = asked()
    answer = ana.get(link(site, session))
    assert heading(answer) == "Saisissez le code du courriel"
    shown = words(answer)
    assert CAMILLE in shown
    assert "Element" in shown
    assert ADDRESS not in answer.text
    assert "c•••@ac-rouen.example" in shown


def test_looking_and_pressing_without_the_code_proves_nothing(site, ana, asked):
    session = asked()
    for _ in range(10):
        ana.get(link(site, session))
        ana.client.head(link(site, session))
        ana.post(link(site, session))
        ana.post(link(site, session), code="12345")
    assert reread(site, session).validated_at is None
    assert site.wrong_tries() == 0


def test_the_typed_code_proves_the_address_to_the_client_that_waits(site, ana, asked, clock):
    session = asked()
    answer = ana.post(link(site, session), code=code(site, session))
    assert heading(answer) == DONE
    assert reread(site, session).validated_at == clock()
    assert heading(ana.get(link(site, session))) == DONE


def test_codes_typed_here_and_handed_in_share_their_tries(site, ana, asked):
    session = asked()
    wrong = codes.wrong(code(site, session))
    answers = [ana.post(link(site, session), code=wrong) for _ in range(5)]
    assert "Il reste 4 essais." in words(answers[0])
    assert "Trop d’essais" in words(answers[-1])
    assert submit(site, session, code(site, session)).status_code == 400
    assert reread(site, session).validated_at is None


def test_after_a_day_the_page_says_so(site, ana, asked, clock):
    session = asked()
    right = code(site, session)
    clock.advance(hours=24)
    assert heading(ana.get(link(site, session))) == "Ce lien a expiré"
    assert heading(ana.post(link(site, session), code=right)) == "Ce lien a expiré"
    assert reread(site, session).validated_at is None


def test_the_page_leads_on_to_where_the_client_said(site, ana, asked):
    session = asked(next_link="https://app.element.io/done")
    answer = ana.post(link(site, session), code=code(site, session))
    assert f'href="https://app.element.io/done?sid={session.sid}"' in answer.text


def test_a_link_of_another_purpose_or_nobodys_is_no_link(site, ana, asked):
    session = asked()
    for token in (
        site.services.tokens.link(session.id, "verify"),
        site.services.tokens.link(session.id, "not_me"),
        site.services.tokens.link(session.id, "invitation"),
        "cut",
    ):
        answer = ana.get(f"/v/{token}")
        assert (answer.status_code, heading(answer)) == (404, "Ce lien est incomplet")
        assert ana.post(f"/v/{token}", code=code(site, session)).status_code == 404
    assert reread(site, session).validated_at is None


def test_the_specifications_link_proves_and_answers_in_words(site, asked):
    session = asked()
    answer = submit(site, session, code(site, session))
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert heading(answer) == DONE
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert reread(site, session).validated_at
    assert submit(site, session, code(site, session)).status_code == 200


def test_the_specifications_link_leads_on_to_the_link_of_the_session(site, asked):
    session = asked(next_link="https://app.element.io/done?a=b")
    evil = {"next_link": "https://evil.example", "nextLink": "https://evil.example"}
    answer = submit(site, session, code(site, session), **evil)
    assert answer.status_code == 302
    assert answer.location == f"https://app.element.io/done?a=b&sid={session.sid}"


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"token": "000000x"}, 400),
        ({"token": ""}, 400),
        ({"client_secret": "another"}, 404),
        ({"sid": "0" * 32}, 404),
        ({"sid": "x y"}, 404),
    ],
)
def test_what_fails_is_a_4xx_in_words(site, asked, facts, status):
    session = asked(next_link="https://app.element.io/done")
    answer = submit(site, session, code(site, session), **facts)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert heading(answer) == "Votre adresse n’est pas confirmée"
    assert reread(site, session).validated_at is None


def test_without_anything_it_fails_in_words(site):
    answer = site.app.test_client().get(SUBMIT)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_a_head_request_proves_nothing(site, asked):
    session = asked()
    query = {"sid": session.sid, "client_secret": SECRET, "token": code(site, session)}
    assert site.app.test_client().head(SUBMIT, query_string=query).status_code == 200
    assert reread(site, session).validated_at is None


def test_the_answer_is_the_operators_where_there_is_one(site, asked, tmp_path):
    folder = tmp_path / "templates" / "tests"
    folder.mkdir(parents=True)
    (folder / "validated.html").write_text("<p>success={{ success }} {{ unknown }}</p>")
    settings = Settings(
        _env_file=None, data_dir=tmp_path, templates_dir=tmp_path / "templates", brand="tests"
    )
    object.__setattr__(site.services, "settings", settings)
    site.app = create_app(site.services)
    session = asked()
    assert "success=False" in submit(site, session, "wrong").text
    answer = submit(site, session, code(site, session))
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert "success=True" in answer.text
