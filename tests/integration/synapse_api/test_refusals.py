"""`guichet homeserver refusals`."""

from datetime import timedelta

from identity.synapse_api import report_models
from tests.worlds.command_line import *

GIL = "@gil:guests.example"


def test_the_support_desk_sees_what_somebody_was_refused(run, federation, opened, clock):
    with opened.transaction() as session:
        for hours, reason, count in (
            (0, "guest_may_not_invite", 2),
            (1, "guest_may_not_create_room", 1),
            (2, "guest_may_not_invite", 3),
        ):
            report_models.add_refusals(
                session,
                user_id=GIL,
                reason=reason,
                count=count,
                last_at=clock() + timedelta(hours=hours),
            )
    assert run.json("homeserver", "refusals", GIL) == [
        {"reason": "guest_may_not_invite", "count": 5, "last_at": "2027-03-01T11:00:00+00:00"},
        {"reason": "guest_may_not_create_room", "count": 1, "last_at": "2027-03-01T10:00:00+00:00"},
    ]
    assert "guest_may_not_invite" in run("homeserver", "refusals", GIL).stdout


def test_nothing_was_reported(run, federation):
    said = run("homeserver", "refusals", "@zoe:education.example")
    assert "No module has reported" in said.stderr
