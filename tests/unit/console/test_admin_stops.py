"""What programs stop by the admin API lasts three days at most, and no program ends it sooner."""

from datetime import timedelta

import pytest

from identity.operators.roles import Role
from tests.worlds.admin_api import *

STOPS = [
    ("/freezes", {"what": "domain", "domain": "ac-rouen.example"}, "/admin/incidents"),
    ("/inviters", {"user_id": f"@zoe:{EDUCATION}"}, "/admin/incidents"),
    ("/mail-pauses", {"kind": "reminder"}, "/admin/mails"),
    (f"/homeservers/{EDUCATION}/hold", {}, f"/admin/homeservers/{EDUCATION}"),
]


@pytest.mark.parametrize(("path", "what", "page"), STOPS)
def test_no_token_ends_a_stop_by_giving_it_an_earlier_end(program, clock, path, what, page):
    caller = program(Role.APPROVER)

    def stop(hours):
        body = what | {"until": (clock() + timedelta(hours=hours)).isoformat(), "reason": WHY}
        return caller.post(path, body)

    assert stop(24).status_code < 300
    sooner = stop(1)
    assert sooner.status_code == 403
    assert sooner.json["org.guichet.reason"] == "second_factor"
    assert sooner.json["org.guichet.url"].endswith(page)
    assert stop(48).status_code < 300
    clock.advance(hours=49)
    assert stop(1).status_code < 300


@pytest.mark.parametrize(("path", "what", "page"), STOPS)
def test_what_a_program_stops_ends_within_three_days(program, clock, path, what, page):
    late = (clock() + timedelta(hours=73)).isoformat()
    answer = program(Role.APPROVER).post(path, what | {"until": late, "reason": WHY})
    assert (answer.status_code, answer.json["org.guichet.field"]) == (400, "until"), page
