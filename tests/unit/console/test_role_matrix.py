"""Who may do what, walked over every route of the console and of its API.

The tables below are written by hand from the design of the roles, and not made from the code.
"""

import re

import pytest

from identity.console.api import guards as admin_guards
from identity.console.pages import frame as console_frame
from identity.operators.roles import PERMISSIONS, Deed, Role, may
from tests.worlds.admin_api import *
from tests.worlds.console import *

ALL_ROLES = "viewer support editor approver auditor admin"
SEES = "viewer support editor approver admin"
WHO = {
    Deed.SEE: SEES,
    Deed.SEE_SELF: ALL_ROLES,
    Deed.RENEW_SELF: ALL_ROLES,
    Deed.SEE_JOURNAL: ALL_ROLES,
    Deed.EXPORT_JOURNAL: "auditor",
    Deed.SEE_ACCESS: "admin auditor",
    Deed.SEE_SETTINGS: "admin",
    Deed.TEST_ADDRESS: SEES,
    Deed.OPEN_PERSON: "support",
    Deed.HELP_PERSON: "support",
    Deed.EXPORT_PERSON: "support",
    Deed.ERASE_PERSON: "admin",
    Deed.HANDLE_MAIL: "support",
    Deed.HANDLE_INVITATION: "support",
    Deed.SEE_REQUESTERS: "editor approver",
    Deed.DRAFT: "editor approver",
    Deed.PROPOSE: "editor approver",
    Deed.EXPORT_RULES: "editor approver",
    Deed.APPROVE: "approver",
    Deed.APPLY: "approver",
    Deed.ROLL_BACK: "approver",
    Deed.BREAK_GLASS: "approver",
    Deed.FREEZE: "approver",
    Deed.THAW: "approver",
    Deed.MANAGE_HOMESERVER: "admin",
    Deed.MANAGE_ACCESS: "admin",
}
SECOND_FACTOR = {
    *(Deed.APPROVE, Deed.APPLY, Deed.ROLL_BACK, Deed.BREAK_GLASS, Deed.THAW),
    *(Deed.MANAGE_HOMESERVER, Deed.MANAGE_ACCESS, Deed.RENEW_SELF),
    *(Deed.EXPORT_RULES, Deed.EXPORT_JOURNAL, Deed.EXPORT_PERSON, Deed.ERASE_PERSON),
}
WHY = {
    *(Deed.OPEN_PERSON, Deed.HELP_PERSON, Deed.EXPORT_PERSON, Deed.ERASE_PERSON),
    *(Deed.HANDLE_MAIL, Deed.HANDLE_INVITATION, Deed.ROLL_BACK, Deed.BREAK_GLASS),
    *(Deed.FREEZE, Deed.THAW, Deed.MANAGE_HOMESERVER, Deed.MANAGE_ACCESS, Deed.SEE_REQUESTERS),
}
NOBODY = "00000000-0000-4000-8000-000000000000"
LOOKING = ("GET", "HEAD", "OPTIONS")


@pytest.fixture
def database_url(sqlite_url):
    """The guards ask little of the database; what they find is tested on both of them."""
    return sqlite_url


def routes(app, blueprint, known):
    """Every route of a blueprint: its endpoint, method, a path with made-up names, and its deed."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(f"{blueprint}."):
            path = re.sub(r"<int:[^>]+>", "1", rule.rule)
            path = re.sub(r"<[^>]+>", NOBODY, path)
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield method, path, known[rule.endpoint, method]


@pytest.fixture
def screens(app):
    return list(routes(app, "console", console_frame.DEEDS))


@pytest.fixture
def calls(app):
    return list(routes(app, "admin_api", admin_guards.ROUTES))


def allowed(deed):
    return {Role(name) for name in WHO[deed].split()}


def test_the_table_of_roles_is_as_designed():
    found = {deed: {role for role in Role if may([role], deed)} for deed in Deed}
    assert found == {deed: allowed(deed) for deed in Deed}
    assert {deed for deed in Deed if PERMISSIONS[deed].step_up} == SECOND_FACTOR
    assert {deed for deed in Deed if PERMISSIONS[deed].reason} == WHY


@pytest.mark.parametrize("role", Role)
def test_no_screen_shows_more_than_the_role_allows(screens, make_operator, sign_in, role):
    browser = sign_in(make_operator("Somebody", role))
    for method, path, deed in screens:
        if method == "GET" and deed is not None:
            status = browser.client.get(path, headers=browser.headers).status_code
            assert (status == 403) == (role not in allowed(deed)), path


@pytest.mark.parametrize("role", Role)
def test_no_form_does_more_than_the_role_allows(screens, make_operator, sign_in, role):
    browser = sign_in(make_operator("Somebody", role))
    browser.get("/admin/menu/none")
    for method, path, deed in screens:
        if method == "POST" and deed is not None and role not in allowed(deed):
            assert browser.send(path, reason="ticket 4412").status_code == 403, path


def test_a_form_without_its_token_does_nothing(screens, make_operator, sign_in):
    browser = sign_in(make_operator("Somebody", *(set(Role) - {Role.AUDITOR})))
    for method, path, _ in screens:
        if method == "POST":
            answer = browser.client.post(path, data={"reason": "ticket 4412"})
            assert answer.status_code == 400, path


@pytest.mark.parametrize("role", Role)
def test_a_form_that_asks_for_the_second_factor_waits_for_it(
    screens, make_operator, sign_in, clock, role
):
    browser = sign_in(make_operator("Somebody", role))
    clock.advance(minutes=11)
    for method, path, deed in screens:
        if method == "POST" and deed in SECOND_FACTOR and role in allowed(deed):
            answer = browser.send(path, reason="ticket 4412")
            assert answer.status_code == 200, path
            assert 'name="second_factor"' in answer.text, path


@pytest.mark.parametrize("role", Role)
def test_a_form_that_asks_why_waits_for_it(screens, make_operator, sign_in, role):
    browser = sign_in(make_operator("Somebody", role))
    for method, path, deed in screens:
        if method == "POST" and deed in WHY and role in allowed(deed):
            answer = browser.send(path)
            assert answer.status_code == 200, path
            assert 'name="reason"' in answer.text, path


def test_nobody_sees_or_does_anything_before_signing_in(screens, browser):
    for method, path, deed in screens:
        if deed is not None:
            if method == "GET":
                answer = browser.client.get(path, headers=browser.headers)
            else:
                answer = browser.send(path, reason="ticket 4412")
            assert answer.status_code == 303, path
            assert answer.location.startswith("/admin/sign-in"), path


def test_nobody_sees_or_does_anything_before_the_second_factor(screens, make_operator, sign_in):
    browser = sign_in(make_operator("Somebody", Role.ADMIN), proved=False)
    for method, path, deed in screens:
        if deed is not None:
            if method == "GET":
                answer = browser.client.get(path, headers=browser.headers)
            else:
                answer = browser.send(path, reason="ticket 4412")
            assert (answer.status_code, answer.location) == (303, "/admin/sign-in/second"), path


@pytest.mark.parametrize("role", Role)
def test_no_call_does_more_than_the_role_allows(calls, program, role):
    caller = program(role)
    for method, path, route in calls:
        if route.deed is None:
            continue
        answer = caller.open(method, path.removeprefix(PREFIX), {"reason": "ticket 4412"})
        reason = answer.json.get("org.guichet.reason")
        if role not in allowed(route.deed):
            assert (answer.status_code, reason) == (403, "role"), path
        elif route.deed in SECOND_FACTOR:
            assert (answer.status_code, reason) == (403, "second_factor"), path
        else:
            assert answer.status_code not in {401, 403}, path


def test_no_call_is_answered_without_a_token(calls, app):
    stranger = Program(app)
    open_to_all = set()
    for method, path, route in calls:
        status = stranger.open(method, path.removeprefix(PREFIX), {}).status_code
        if route.deed is None:
            open_to_all.add(path)
        else:
            assert status == 401, path
    assert open_to_all == {f"{PREFIX}/openapi.json"}
