"""The frame of /api/admin/v1: who may call, what is asked of a call, and calls that are sent twice."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from identity.core import journal
from identity.core.rows import count
from identity.freezes.models import Freeze
from identity.mail.models import Mail
from identity.operators import service as operating, sessions, tokens as api_tokens
from identity.operators.kept_answers import KeptAnswer
from identity.operators.models import AdminToken
from identity.operators.notices import OperatorNotice
from identity.operators.roles import ALL, Role, Scope
from identity.problems import WrongOperator
from tests.worlds.admin_api import *


def error(answer):
    return answer.status_code, answer.json.get("org.guichet.reason")


@pytest.fixture
def until(clock):
    return (clock() + timedelta(hours=4)).isoformat()


def test_without_a_token_nothing_is_told(stranger):
    answer = stranger.get("/freezes")
    assert answer.status_code == 401
    assert answer.json["errcode"] == "M_UNAUTHORIZED"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


def test_a_cookie_of_the_console_counts_for_nothing(app, services, clock, ada):
    with services.database.transaction() as session:
        token = sessions.open_session(session, clock(), ada, proved=True)
    client = app.test_client()
    client.set_cookie("guichet-ops", token)
    assert client.get(f"{PREFIX}/operators").status_code == 401


def test_no_web_page_may_read_an_answer(program):
    answer = program(Role.VIEWER).open("OPTIONS", "/freezes", Origin="https://evil.example")
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]


def test_a_role_that_does_not_allow_it_is_named_as_the_reason(program, until):
    body = {"what": "sign-ups", "until": until, "reason": WHY}
    assert error(program(Role.VIEWER).post("/freezes", body)) == (403, "role")
    assert error(program(Role.VIEWER).get("/operators")) == (403, "role")
    assert program(Role.APPROVER).post("/freezes", body).status_code == 201


def test_programs_of_admins_alone_come_into_a_frozen_console(program, until):
    caller, admin = program(Role.APPROVER), program(Role.ADMIN)
    body = {"what": "console", "until": until, "reason": WHY}
    assert caller.post("/freezes", body).status_code == 201
    answer = caller.get("/freezes")
    assert error(answer) == (503, "console_frozen")
    assert int(answer.headers["Retry-After"]) > 0
    assert admin.get("/freezes").json["items"][0]["what"] == "console"


def test_operators_are_mailed_what_a_program_stopped(program, until, vera, services):
    program(Role.APPROVER).post("/freezes", {"what": "mails", "until": until, "reason": WHY})
    with services.database.reading() as session:
        [told] = session.scalars(select(OperatorNotice))
        ordered = session.scalars(select(Mail.address).where(Mail.template == "operator_notice"))
        assert vera.mail in list(ordered)
    assert (told.detail, told.operator_id) == ("mails", None)


def test_what_asks_for_a_second_factor_is_refused_to_every_token(program):
    answer = program(*(set(Role) - {Role.AUDITOR})).post("/freezes/sign-ups/thaw")
    assert error(answer) == (403, "second_factor")
    assert answer.json["org.guichet.url"].endswith("/admin/incidents")


def test_a_token_never_may_more_than_its_maker_may_now(app, services, clock, ada, make_operator):
    other = make_operator("Axel", Role.ADMIN)
    with services.database.transaction() as session:
        standing = operating.Standing(frozenset({Role.ADMIN}))
        _, token = api_tokens.issue(
            session,
            clock(),
            SHELL,
            session.merge(other),
            name="t",
            standing=standing,
            lifetime=timedelta(days=1),
        )
    caller = Program(app, token)
    assert caller.get("/operators").status_code == 200
    with services.database.transaction() as session:
        operating.disable(session, clock(), SHELL, other.id)
    assert caller.get("/operators").status_code == 401


def test_a_token_ends(app, clock, vera, issue_token):
    caller = Program(app, issue_token(vera, lifetime=timedelta(hours=1)))
    assert caller.get("/freezes").status_code == 200
    clock.advance(hours=1)
    assert caller.get("/freezes").status_code == 401


def test_its_last_use_is_recorded_once_a_minute(app, services, clock, vera, issue_token):
    caller = Program(app, issue_token(vera))

    def used_at():
        with services.database.reading() as session:
            return session.query(AdminToken).one().used_at

    caller.get("/freezes")
    first = used_at()
    clock.advance(seconds=30)
    caller.get("/freezes")
    assert used_at() == first == clock() - timedelta(seconds=30)
    clock.advance(seconds=30)
    caller.get("/freezes")
    assert used_at() == clock()


def test_the_journal_names_the_token_its_maker_the_network_and_the_request(
    program, services, until
):
    body = {"what": "mails", "until": until, "reason": WHY}
    answer = program(Role.APPROVER).post("/freezes", body)
    with services.database.reading() as session:
        (row,) = journal.find_recent(session, limit=1)
    assert (row.actor, row.origin) == ("Maker1", "api token program 1 from 127.0.0.0/24")
    assert (row.action, row.reason) == ("freeze.begin", WHY)
    assert row.request_id == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("reason", ["", "because", None])
def test_what_asks_why_takes_no_call_without_a_reason(program, services, until, reason):
    body = {"what": "sign-ups", "until": until} | ({} if reason is None else {"reason": reason})
    answer = program(Role.APPROVER).post("/freezes", body)
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, "reason")
    with services.database.reading() as session:
        assert not session.query(Freeze).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("what", "everything"),
        ("until", "tomorrow"),
        ("until", "2026-11-30T12:00:00"),
        ("until", "9999-12-31T23:59:59-23:59"),
        ("domain", "asso.example"),
    ],
)
def test_a_wrong_field_is_named(program, until, field, value):
    body = {"what": "sign-ups", "until": until, "reason": WHY} | {field: value}
    answer = program(Role.APPROVER).post("/freezes", body)
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, field)


def test_a_freeze_lasts_three_days_at_most(program, clock):
    body = {
        "what": "sign-ups",
        "until": (clock() + timedelta(hours=72, seconds=1)).isoformat(),
        "reason": WHY,
    }
    caller = program(Role.APPROVER)
    assert caller.post("/freezes", body).json["org.guichet.field"] == "until"
    body["until"] = (clock() + timedelta(hours=72)).isoformat()
    assert caller.post("/freezes", body).status_code == 201


def test_with_a_scope_nothing_of_everybody_is_stopped(program, until):
    caller = program(Role.APPROVER, scope=Scope(homeservers=frozenset({EDUCATION})))
    body = {"what": "sign-ups", "until": until, "reason": WHY}
    assert error(caller.post("/freezes", body)) == (403, "scope_needed")
    foreign = body | {"what": "domain", "domain": "asso.example"}
    assert error(caller.post("/freezes", foreign)) == (403, "scope_needed")
    own = body | {"what": "domain", "domain": "ac-rouen.example"}
    assert caller.post("/freezes", own).status_code == 201


def test_a_call_that_is_sent_twice_is_done_once(program, services, clock, until):
    caller = program(Role.APPROVER)
    body = {"what": "domain", "domain": "asso.example", "until": until, "reason": WHY}
    first = caller.post("/freezes", body, Idempotency_Key="k1")
    clock.advance(minutes=5)
    again = caller.post("/freezes", body, Idempotency_Key="k1")
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert first.headers["Location"] == again.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    with services.database.reading() as session:
        assert len(list(journal.find_by_action(session, "freeze.begin"))) == 1


def test_a_key_belongs_to_one_request_of_one_token_for_a_day(program, clock, until):
    caller, other = program(Role.APPROVER), program(Role.APPROVER)
    body = {"what": "sign-ups", "until": until, "reason": WHY}
    changed = body | {"reason": "ticket 4413"}
    assert caller.post("/freezes", body, Idempotency_Key="k1").status_code == 201
    answer = caller.post("/freezes", changed, Idempotency_Key="k1")
    assert (answer.status_code, answer.json["errcode"]) == (409, "org.guichet.key_reused")
    assert other.post("/freezes", changed, Idempotency_Key="k1").status_code == 201
    clock.advance(hours=24)
    body["until"] = (clock() + timedelta(hours=1)).isoformat()
    assert caller.post("/freezes", body, Idempotency_Key="k1").status_code == 201


def test_what_was_refused_may_be_sent_again_with_its_key(program, services, until):
    caller = program(Role.APPROVER)
    body = {"what": "domain", "domain": "no domain", "until": until, "reason": WHY}
    assert caller.post("/freezes", body, Idempotency_Key="k1").status_code == 400
    body["domain"] = "asso.example"
    assert caller.post("/freezes", body, Idempotency_Key="k1").status_code == 201
    with services.database.reading() as session:
        assert count(session, KeptAnswer.key_hash != "") == 1


@pytest.mark.parametrize("key", ["", "x" * 65, "clé"])
def test_a_key_that_is_none_is_refused(program, until, key):
    body = {"what": "sign-ups", "until": until, "reason": WHY}
    answer = program(Role.APPROVER).post("/freezes", body, Idempotency_Key=key)
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, "Idempotency-Key")


def test_neither_key_nor_answer_is_stored_in_clear(program, services, until):
    body = {"what": "domain", "domain": "asso.example", "until": until, "reason": WHY}
    program(Role.APPROVER).post("/freezes", body, Idempotency_Key="my-own-key")
    with services.database.reading() as session:
        row = session.query(KeptAnswer).one()
    stored = json.dumps([row.key_hash, row.request_hash, row.answer])
    assert "asso" not in stored
    assert "my-own-key" not in stored


def test_a_list_is_read_to_its_end_page_by_page(program, make_operator):
    caller = program(Role.ADMIN)
    names = sorted([f"Op{number}" for number in range(5)] + ["Maker1"])
    for name in names:
        if name != "Maker1":
            make_operator(name, Role.VIEWER)
    found, after = [], ""
    while after is not None:
        page = caller.get(f"/operators?limit=2&after={after}").json
        assert len(page["items"]) <= 2
        found += [each["name"] for each in page["items"]]
        after = page["next"]
    assert found == names


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("after=x", "after"),
        ("after=%00", "after"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_a_page_that_is_none_is_refused_and_says_by_which_parameter(program, query, field):
    answer = program(Role.ADMIN).get(f"/operators?{query}")
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, field)


def test_addresses_of_operators_are_masked(program):
    answer = program(Role.ADMIN).get("/operators")
    assert answer.json["items"][0]["mail"] == "m•••@ops.example"


def test_tokens_are_told_without_what_lets_in(program, services):
    answer = program(Role.AUDITOR).get("/tokens")
    (told,) = answer.json["items"]
    assert (told["name"], told["operator"], told["roles"]) == ("program 1", "Maker1", ["auditor"])
    with services.database.reading() as session:
        assert session.query(AdminToken).one().token_hash not in answer.text
    assert "guichet_ops_" not in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/freezes/x/y/z", "/../admin"])
def test_an_unknown_path_names_the_request(stranger, path):
    answer = stranger.get(path)
    assert (answer.status_code, answer.json["errcode"]) == (404, "M_UNRECOGNIZED")
    assert answer.json["request_id"]


def test_where_the_console_is_off_there_is_no_api(services, program):
    off = replace(services, settings=services.settings.model_copy(update={"console": "off"}))
    caller = program(Role.VIEWER)
    headers = caller.headers
    caller = Program(create_app(off))
    caller.headers = headers
    assert caller.get("/freezes").status_code == 404


def test_the_internal_listener_has_no_such_api(services, program):
    caller = program(Role.VIEWER)
    inside = Program(create_app(services, listener="internal"))
    inside.headers = caller.headers
    assert inside.get("/freezes").status_code == 404


def test_an_inviter_is_blocked_and_mails_are_paused_by_a_program(program, until, vera, services):
    caller = program(Role.APPROVER)
    body = {"user_id": f"@zoe:{EDUCATION}", "until": until, "reason": WHY}
    assert caller.post("/inviters", body).status_code == 201
    [blocked] = caller.get("/inviters").json["items"]
    assert blocked["user_id"] == f"@z•••:{EDUCATION}"
    assert caller.post("/inviters", body | {"user_id": "@zoe:elsewhere"}).status_code == 404
    assert caller.post("/inviters", body | {"user_id": "zoe"}).status_code == 400
    paused = caller.post("/mail-pauses", {"kind": "reminder", "until": until, "reason": WHY})
    assert (paused.status_code, paused.json["waiting"]) == (201, 0)
    [pause] = caller.get("/mail-pauses").json["items"]
    assert pause["kind"] == "reminder"
    assert caller.post("/mail-pauses", {"until": until, "reason": WHY}).status_code == 400
    assert error(caller.post("/inviters/unblock")) == (403, "second_factor")
    with services.database.reading() as session:
        told = session.scalars(select(OperatorNotice.detail)).all()
    assert told == [f"inviter @z•••:{EDUCATION}"]


def test_what_lies_outside_the_scope_of_a_program_is_not_stopped(program, until):
    caller = program(Role.APPROVER, scope=Scope(homeservers=frozenset({GUESTS})))
    body = {"until": until, "reason": WHY}
    zoe = {"user_id": f"@zoe:{EDUCATION}"}
    assert caller.post("/inviters", body | zoe).status_code == 404
    for what in ({"kind": "reminder"}, {"domain": "ac-rouen.example"}):
        assert error(caller.post("/mail-pauses", body | what)) == (403, "scope_needed")


def test_a_proposal_is_returned_with_a_reason(program, services):
    caller = program(Role.EDITOR)
    rule = {"kind": "domain", "pattern": "asso.example", "homeserver": EDUCATION}
    made = caller.post("/changes", {"title": "open asso", "put": [rule]})
    refused = caller.post("/changes/1/return", {"reason": "x"}, If_Match='"1"')
    assert (made.status_code, refused.status_code) == (201, 400)
    assert caller.post("/changes/1/return", {"reason": WHY}, If_Match='"1"').status_code == 409


@pytest.mark.parametrize(
    ("name", "roles", "scope"),
    [
        ("bad\x1b[31mname", {Role.VIEWER}, ALL),
        ("n" * 101, {Role.VIEWER}, ALL),
        ("ada@ops.example", {Role.VIEWER}, ALL),
        ("  ", {Role.VIEWER}, ALL),
        ("sees all operators", {Role.ADMIN}, Scope(homeservers=frozenset({EDUCATION}))),
        ("sees nothing", {Role.VIEWER}, Scope(homeservers=frozenset({"typo.example"}))),
        ("does nothing", set(), ALL),
    ],
)
def test_a_token_has_a_name_and_roles_and_scope_that_go_together(
    services, clock, ada, name, roles, scope
):
    standing = operating.Standing(frozenset(roles), scope)
    with services.database.transaction() as session, pytest.raises(WrongOperator):
        api_tokens.issue(
            session,
            clock(),
            SHELL,
            session.merge(ada),
            name=name,
            standing=standing,
            lifetime=timedelta(days=1),
        )
    with services.database.reading() as session:
        assert not session.query(AdminToken).all()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/rules?organization=Acme"),
        ("GET", "/mails?State=waiting"),
        ("GET", "/changes/1?state=draft"),
        ("POST", "/explain?as_of=C-1"),
        ("POST", "/changes?dry_run=1"),
    ],
)
def test_a_parameter_with_a_typing_error_is_refused_and_named(program, method, path):
    answer = program(Role.EDITOR).open(method, path, {} if method == "POST" else None)
    name = path.partition("?")[2].partition("=")[0]
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, name)
