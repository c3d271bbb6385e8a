"""A number in a path that no database holds is not found: of changes, requests, revisions, everywhere."""

import pytest

from identity.operators.roles import Role
from tests.worlds.admin_api import *
from tests.worlds.console import *

HUGE = ("2147483648", "9" * 19, "9" * 5000, "٣" * 30)


@pytest.fixture
def paths(app):
    """The GET paths with a number in them, written with a brace."""
    rules = [
        str(rule)
        for rule in app.url_map.iter_rules()
        if "<int:" in str(rule) and "GET" in rule.methods and "admin" in str(rule)
    ]
    assert len(rules) > 10
    return [rule.replace("<int:number>", "{}") for rule in rules]


def test_a_number_too_large_is_not_found(paths, sign_in, program, make_operator):
    ada = sign_in(make_operator("Ada", Role.ADMIN, Role.APPROVER))
    caller = program(Role.EDITOR)
    seen = {}
    for path in paths:
        for digits in HUGE:
            whole = path.format(digits)
            is_api = whole.startswith(PREFIX)
            answer = caller.get(whole.removeprefix(PREFIX)) if is_api else ada.client.get(whole)
            seen[whole[:60]] = answer.status_code
    assert set(seen.values()) == {404}, seen


def test_no_other_number_that_is_typed_breaks_a_page(sign_in, program, make_operator):
    ada = sign_in(make_operator("Ada", Role.ADMIN, Role.APPROVER))
    caller = program(Role.EDITOR)
    ada.get("/admin/test")
    for typed in (*HUGE, *(f"C-{digits}" for digits in HUGE)):
        assert ada.post("/admin/test", addresses="a@b.example", as_of=typed).status_code == 400
        body = {"address": "a@b.example", "as_of": typed[:20]}
        assert caller.post("/explain", body).status_code in {400, 404}
        assert ada.send("/admin/search", q=typed).status_code == 200
