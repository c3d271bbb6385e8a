"""Whatever goes wrong below /_matrix and /api is JSON with a code; elsewhere it is the pages' affair."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from flask import request
from sqlalchemy.exc import InternalError, OperationalError
from werkzeug.exceptions import BadRequest, TooManyRequests, UnsupportedMediaType

from identity import problems
from identity.app import MAX_BODY, create_app
from identity.web.api_errors import ANSWERS
from tests.worlds.api import *
from tests.worlds.api import API, ask


@dataclass(frozen=True)
class BrokenRules:
    """Rules whose reading goes wrong."""

    fault: Exception

    def current(self):
        raise self.fault


@pytest.fixture
def broken(decided):
    """A site on which asking for the rules raises what it is given."""

    def serve(fault):
        app = create_app(replace(decided, rules=BrokenRules(fault)))
        return app.test_client()

    return serve


@pytest.fixture
def receiving(decided):
    """A site with one path that reads its body, and raises what it is told to."""
    app = create_app(decided)
    faults = {"400": BadRequest, "415": UnsupportedMediaType, "429": TooManyRequests}

    def receive(fault):
        request.get_data()
        if fault in faults:
            raise faults[fault]
        return {}

    app.add_url_rule("/api/test/<fault>", view_func=receive, methods=["POST"])
    return app.test_client()


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix",
        "/_matrix/",
        "/_matrix/identity/v3/nothing",
        "/_matrix/identity/api/v1/nothing",
        "/_matrix/identity/api/v1/info/",
        "/api",
        "/api/admin/v9",
        "/healthz/x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_a_path_that_leads_nowhere_is_not_recognised(either, path, method):
    answer = either.open(path, method=method)
    assert (answer.status_code, answer.json["errcode"]) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize("path", ["/info", "/internal-info", ""])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND", "TRACE"])
def test_a_method_nobody_offers_is_not_recognised(either, path, method):
    answer = either.open(f"{API}{path}", method=method, data=b"\xff")
    assert (answer.status_code, answer.json["errcode"]) == (405, "M_UNRECOGNIZED")
    assert {"GET", "HEAD", "OPTIONS"} == set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("path", ["/nowhere", "/_matrixx", "/apis", "/start/x/y"])
def test_people_who_are_lost_get_a_page(public, path):
    answer = public.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize("path", ["/", "/start", "/nowhere", "/v/x"])
def test_the_internal_listener_has_no_pages(internal, path):
    answer = internal.get(path)
    assert (answer.status_code, answer.json["errcode"]) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("400", 400, "M_UNKNOWN"),
        ("415", 415, "M_NOT_JSON"),
        ("429", 429, "M_LIMIT_EXCEEDED"),
    ],
)
def test_what_http_refuses_has_a_code(receiving, fault, status, code):
    answer = receiving.post(f"/api/test/{fault}")
    assert (answer.status_code, answer.json["errcode"]) == (status, code)


def test_a_body_that_is_too_large_is_refused(receiving):
    assert receiving.post("/api/test/none", data=b"x" * MAX_BODY).status_code == 200
    answer = receiving.post("/api/test/none", data=b"x" * (MAX_BODY + 1))
    assert (answer.status_code, answer.json["errcode"]) == (413, "M_TOO_LARGE")


def made(kind: type[problems.Problem]) -> problems.Problem:
    facts = {
        problems.TooManyRequests: (42,),
        problems.TooManyMails: (42,),
        problems.TooManyTries: (42,),
        problems.TooManyInvitations: (42,),
        problems.ServerAway: ("Éducation nationale",),
        problems.WeakPassword: ("short",),
        problems.UnknownHomeserver: ("x.example", []),
        problems.MovesAccounts: (3,),
        problems.NoSuchRevision: (9, 4),
        problems.InvitationsPaused: (datetime(2027, 4, 1, tzinfo=UTC),),
        problems.AddressBound: ("@a:x.example",),
        problems.WrongServer: ("wrong_server", "x.example"),
        problems.WrongPepper: ("sha256", "a pepper"),
        problems.HomeserverRetired: ("Éducation",),
        problems.SecondFactorNeeded: ("https://guichet.example/admin/changes/C-1",),
        problems.StaleDraft: (2,),
        problems.DomainRequestDecided: ("D-1", "refused"),
        problems.DomainLooksAlike: ("ac-roven.example", ["ac-rouen.example"]),
    }
    if issubclass(kind, problems.Stopped):
        is_for_now = ANSWERS[kind][0] == HTTPStatus.SERVICE_UNAVAILABLE
        return kind("mails", until=datetime(2100, 1, 1, tzinfo=UTC) if is_for_now else None)
    return kind(*facts.get(kind, ()))


@pytest.mark.parametrize("kind", sorted(ANSWERS, key=lambda kind: kind.__name__))
def test_every_problem_has_its_status_its_code_and_its_sentence(broken, kind):
    answer = ask(broken(made(kind)), "a@ac-rouen.example")
    assert (answer.status_code, answer.json["errcode"]) == ANSWERS[kind]
    assert answer.json["error"].endswith(".")
    is_later = answer.status_code in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    assert ("Retry-After" in answer.headers) == is_later


def test_a_limit_says_when_to_come_back(broken):
    answer = ask(broken(problems.TooManyRequests(42)), "a@ac-rouen.example")
    assert answer.json["retry_after_ms"] == 42_000
    assert answer.headers["Retry-After"] == "42"


def test_a_problem_of_a_new_kind_is_still_a_refusal(broken):
    answer = ask(broken(problems.Problem("Something else.")), "a@ac-rouen.example")
    assert (answer.status_code, answer.json["error"]) == (400, "Something else.")


def test_a_fault_of_ours_is_in_the_log_and_not_in_the_answer(broken, caplog):
    answer = ask(broken(ZeroDivisionError("secret detail")), "camille@ac-rouen.example")
    assert (answer.status_code, answer.json["errcode"]) == (500, "M_UNKNOWN")
    assert "secret detail" in caplog.text
    assert not {"secret", "Traceback", "ZeroDivision"} & set(answer.text.split())
    assert "camille" not in caplog.text


@pytest.mark.parametrize("kind", [OperationalError, InternalError])
def test_a_database_that_is_away_is_said_so_with_a_time_to_come_back(broken, caplog, kind):
    fault = kind("select 1", {}, ConnectionError("host=db.internal"))
    answer = ask(broken(fault), "camille@ac-rouen.example")
    assert (answer.status_code, answer.json["errcode"]) == (503, "M_UNKNOWN")
    assert int(answer.headers["Retry-After"]) > 0
    assert "db.internal" not in answer.text
    assert "camille" not in caplog.text
