"""/validate/email and /3pid/getValidated3pid as programs see them."""

from dataclasses import replace

import pytest

from identity.app import create_app
from identity.mail import models as mails
from identity.settings import Settings
from tests.worlds.api import *
from tests.worlds.programs import ADDRESS, SECRET, V2, Program, refused

NEXT = "https://app.element.io/done?a=b"


@pytest.fixture
def camille(public, decided) -> Program:
    return Program(public, decided)


@pytest.fixture
def mailed(services):
    def mailed():
        with services.database.reading() as session:
            return [(mail.template, mail.address) for mail in mails.find_recent(session)]

    return mailed


def test_an_address_is_proved_by_the_code_of_its_mail(camille, mailed, clock):
    sid = camille.ask().json["sid"]
    assert mailed() == [("client_verify", ADDRESS)]
    answer = camille.hand_in(sid, camille.code(sid))
    assert (answer.status_code, answer.json) == (200, {"success": True})
    shown = camille.get("/3pid/getValidated3pid", sid=sid, client_secret=SECRET)
    verified_at = int(clock().timestamp() * 1000)
    clock.advance(hours=3)
    assert (
        camille.get("/3pid/getValidated3pid", sid=sid, client_secret=SECRET).json
        == shown.json
        == {"medium": "email", "address": ADDRESS, "validated_at": verified_at}
    )


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"client_secret": "a b"}, "M_INVALID_PARAM"),
        ({"client_secret": ""}, "M_INVALID_PARAM"),
        ({"client_secret": "x" * 256}, "M_INVALID_PARAM"),
        ({"client_secret": "abc\n"}, "M_INVALID_PARAM"),
        ({"client_secret": 5}, "M_INVALID_PARAM"),
        ({"email": "nobody"}, "M_INVALID_EMAIL"),
        ({"email": "a@b@c.example"}, "M_INVALID_EMAIL"),
        ({"email": ADDRESS + "\0"}, "M_INVALID_PARAM"),
        ({"email": ["x"]}, "M_INVALID_PARAM"),
        ({"send_attempt": -1}, "M_INVALID_PARAM"),
        ({"send_attempt": 1.5}, "M_INVALID_PARAM"),
        ({"send_attempt": True}, "M_INVALID_PARAM"),
        ({"send_attempt": 2**53}, "M_INVALID_PARAM"),
        ({"send_attempt": None}, "M_INVALID_PARAM"),
        ({"next_link": "file:///etc/passwd"}, "M_INVALID_PARAM"),
        ({"next_link": "https://evil.example/"}, "M_INVALID_PARAM"),
        ({"next_link": 5}, "M_INVALID_PARAM"),
    ],
)
def test_what_is_not_as_specified_is_refused(camille, mailed, facts, code):
    assert refused(camille.ask(**facts)) == (400, code)
    assert not mailed()


@pytest.mark.parametrize("name", ["client_secret", "email", "send_attempt"])
def test_what_is_missing_is_named(camille, name):
    wanted = {"client_secret": SECRET, "email": ADDRESS, "send_attempt": 1}
    del wanted[name]
    answer = camille.post("/validate/email/requestToken", **wanted)
    assert refused(answer) == (400, "M_MISSING_PARAMS")
    assert name in answer.json["error"]


def test_forms_are_not_read(camille):
    answer = camille.client.post(
        f"{V2}/validate/email/requestToken",
        data={"client_secret": SECRET, "email": ADDRESS, "send_attempt": "1"},
        headers=camille.headers,
    )
    assert refused(answer) == (400, "M_BAD_JSON")


@pytest.mark.parametrize("link", [None, ""])
def test_no_next_link_is_no_fault(camille, link):
    assert camille.ask(next_link=link).status_code == 200


def test_a_stranger_asks_for_nothing(public, decided, mailed):
    stranger = Program(public, decided, user_id=None)
    assert refused(stranger.ask()) == (401, "M_UNAUTHORIZED")
    assert refused(stranger.hand_in("x", "y")) == (401, "M_UNAUTHORIZED")
    assert refused(stranger.get("/3pid/getValidated3pid")) == (401, "M_UNAUTHORIZED")
    assert not mailed()


def test_a_relay_that_is_away_is_the_workers_affair(decided, services, mailed):
    away = replace(decided, mailer=None)  # whoever would send in the request could not
    camille = Program(create_app(away).test_client(), away)
    assert camille.ask().json["sid"]
    with services.database.reading() as session:
        assert [mail.state for mail in mails.find_recent(session)] == ["waiting"]


def test_attempts_decide_about_further_mails(camille, mailed, clock):
    sid = camille.ask(send_attempt=2).json["sid"]
    assert camille.ask(send_attempt=2).json["sid"] == sid
    assert camille.ask(send_attempt=1).json["sid"] == sid
    assert len(mailed()) == 1
    clock.advance(minutes=2)
    assert camille.ask(send_attempt=3).json["sid"] == sid
    assert len(mailed()) == 2


def test_the_address_is_folded(camille):
    sid = camille.prove(email="Camille.Durand@AC-Rouen.example")
    shown = camille.get("/3pid/getValidated3pid", sid=sid, client_secret=SECRET)
    assert shown.json["address"] == ADDRESS


def test_a_code_may_be_handed_in_twice(camille):
    sid = camille.prove()
    assert camille.hand_in(sid, camille.code(sid)).json == {"success": True}


def test_a_wrong_code_is_told_and_counted(camille):
    sid = camille.ask().json["sid"]
    for _ in range(4):
        assert refused(camille.hand_in(sid, camille.wrong_code(sid))) == (400, "M_TOKEN_INCORRECT")
    answer = camille.hand_in(sid, camille.wrong_code(sid))
    assert refused(answer) == (429, "M_LIMIT_EXCEEDED")
    assert answer.json["retry_after_ms"] > 0
    assert refused(camille.hand_in(sid, camille.code(sid))) == (429, "M_LIMIT_EXCEEDED")


@pytest.mark.parametrize("token", ["", "x" * 255, "é", "12345", "<b>", " "])
def test_any_text_is_a_wrong_code(camille, token):
    sid = camille.ask().json["sid"]
    assert refused(camille.hand_in(sid, token)) == (400, "M_TOKEN_INCORRECT")


def test_an_unknown_session_and_a_wrong_secret_look_the_same(camille):
    sid = camille.ask().json["sid"]
    code = camille.code(sid)
    answers = [
        camille.hand_in(sid, code, client_secret="another"),
        camille.hand_in("0" * 32, code),
        camille.hand_in("x y", code),
    ]
    assert {refused(answer) for answer in answers} == {(400, "M_INVALID_PARAM")}
    assert len({answer.data for answer in answers}) == 1


def test_a_session_that_is_over_says_so(camille, clock):
    sid = camille.ask().json["sid"]
    code = camille.code(sid)
    clock.advance(hours=24)
    assert refused(camille.hand_in(sid, code)) == (400, "M_SESSION_EXPIRED")


def test_a_post_never_redirects(camille):
    sid = camille.ask(next_link=NEXT).json["sid"]
    answer = camille.hand_in(sid, camille.code(sid))
    assert (answer.status_code, answer.json) == (200, {"success": True})


def test_each_reason_has_its_code(camille, clock):
    sid = camille.ask().json["sid"]

    def shown(sid=sid, secret=SECRET):
        return refused(camille.get("/3pid/getValidated3pid", sid=sid, client_secret=secret))

    assert shown() == (400, "M_SESSION_NOT_VALIDATED")
    assert shown(secret="another") == shown("0" * 32) == (404, "M_NO_VALID_SESSION")
    camille.hand_in(sid, camille.code(sid))
    clock.advance(hours=24)
    assert shown() == (400, "M_SESSION_EXPIRED")


def test_a_secret_of_other_characters_is_refused_everywhere(camille):
    sid = camille.prove()
    facts = {"sid": sid, "client_secret": "a b"}
    threepid = {"medium": "email", "address": ADDRESS}
    assert refused(camille.get("/3pid/getValidated3pid", **facts)) == (400, "M_INVALID_PARAM")
    assert refused(camille.bind(**facts)) == (400, "M_INVALID_PARAM")
    unbind = camille.post("/3pid/unbind", threepid=threepid, mxid=camille.user_id, **facts)
    assert refused(unbind) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("name", ["sid", "client_secret"])
def test_getvalidated3pid_names_what_is_missing(camille, name):
    facts = {"sid": "x", "client_secret": "y"}
    del facts[name]
    assert refused(camille.get("/3pid/getValidated3pid", **facts)) == (400, "M_MISSING_PARAMS")


def test_a_mail_to_the_same_address_has_its_time(camille):
    camille.ask()
    answer = camille.ask(send_attempt=2)
    assert refused(answer) == (429, "M_LIMIT_EXCEEDED")
    assert answer.json["retry_after_ms"] == 60_000


@pytest.mark.parametrize("path", ["requestToken", "submitToken"])
def test_phone_numbers_are_not_proved(camille, path):
    answer = camille.post(f"/validate/msisdn/{path}", country="FR", phone_number="0612345678")
    assert refused(answer) == (400, "M_UNRECOGNIZED")


def test_the_page_is_told_what_the_client_runs_on(camille):
    agent = {"User-Agent": "Mozilla/5.0 (X11) AppleWebKit Element/1.11 Chrome/120"}
    answer = camille.post(
        "/validate/email/requestToken",
        headers=agent,
        client_secret=SECRET,
        email=ADDRESS,
        send_attempt=1,
    )
    assert camille.session(answer.json["sid"]).device == "Element"


def test_hosts_may_be_added_to_where_people_are_sent_on(decided, tmp_path):
    settings = Settings(_env_file=None, data_dir=tmp_path, next_link_hosts="www.example.org")
    program = Program(create_app(replace(decided, settings=settings)).test_client(), decided)
    assert program.ask(next_link="http://www.example.org/x").status_code == 200
