"""What operators stop, for how long, and what they let go on: freezes, inviters, the console."""

import re

import pytest

from identity.core.outbox import Lane
from identity.freezes import models as freezes
from identity.freezes.models import Frozen
from identity.invitations import block_models
from tests.worlds.console import *
from tests.worlds.things import *
from tests.worlds.things import WHY, ZOE
from tests.worlds.visitors import heading, words
from workers import tasks


def test_a_freeze_is_begun_with_a_reason_ends_by_itself_and_is_lifted(
    sign_in, ines, services, clock, last_row
):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    asked = browser.post("/admin/incidents", what="sign-ups", hours="4", name="")
    assert heading(asked) == "Confirm"
    browser.post("/admin/incidents", what="sign-ups", hours="4", name="", reason=WHY)
    row = last_row()
    assert (row.action, row.actor, row.reason) == ("freeze.begin", "Ines", WHY)
    assert row.origin.startswith("console from ")
    assert row.request_id
    assert "Sign-ups By Ines since" in words(browser.get("/admin/incidents"))
    assert services.freezes.current().of(Frozen.SIGN_UPS) is not None
    clock.advance(hours=4)
    again = sign_in(ines)
    assert "Nothing is stopped." in words(again.get("/admin/incidents"))
    again.post("/admin/incidents", what="all", hours="1", name="", reason=WHY)
    again.post("/admin/incidents/thaw", what="mails", name="", reason=WHY)
    with services.database.reading() as session:
        left = freezes.find_in_force(session, clock()).each
    assert [each.what for each in left] == ["invitations", "sign-ups"]


def test_a_domain_is_named_as_people_write_it_and_what_is_none_is_told(
    sign_in, ines, services, clock
):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    wrong = browser.post("/admin/incidents", what="domain", hours="4", name="no domain", reason=WHY)
    assert wrong.status_code == 400
    assert "This is no domain." in words(wrong)
    browser.post("/admin/incidents", what="domain", hours="4", name="@Ac-Rouen.example", reason=WHY)
    with services.database.reading() as session:
        found = freezes.find_in_force(session, clock()).each
    assert [each.key for each in found] == ["domain:ac-rouen.example"]


def test_a_frozen_console_lets_admins_alone_in_and_on(sign_in, ada, vera, ines, services):
    held = [sign_in(each) for each in (vera, ines)]
    admin = sign_in(ada)
    assert "Let only admins into the console" in words(admin.get("/admin/incidents"))
    admin.post("/admin/incidents/console/stop", hours="4", reason=WHY)
    for browser in [*held, sign_in(vera)]:
        for path in ("/admin/", "/admin/mails", "/admin/me"):
            stopped = browser.get(path)
            assert stopped.status_code == 503
            assert heading(stopped) == "The console is for admins alone"
        again = browser.send("/admin/incidents/thaw", what="console", name="", reason=WHY)
        assert again.status_code == 503
    assert held[0].send("/admin/sign-out").status_code == 303
    page = admin.get("/admin/")
    assert "Only admins come into the console. By Ada" in words(page)
    admin.get("/admin/incidents")
    admin.post("/admin/incidents/console/thaw", reason=WHY)
    assert held[1].get("/admin/").status_code == 200


@pytest.mark.parametrize("hours", ["0", "73", "1000000", "-1", "many", ""])
def test_nothing_is_stopped_for_longer_than_three_days(hours, sign_in, ines, services, clock):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    answer = browser.send("/admin/incidents", what="mails", hours=hours, name="", reason=WHY)
    assert answer.status_code == 404
    with services.database.reading() as session:
        assert freezes.find_in_force(session, clock()).each == ()


def test_an_inviter_is_blocked_and_nobody_reads_who_from_the_page(
    sign_in, ines, services, clock, last_row
):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    browser.post("/admin/incidents", what="inviter", hours="24", name=ZOE, reason=WHY)
    with services.database.reading() as session:
        assert block_models.find_user_ids(session, clock()) == {ZOE}
    page = browser.get("/admin/incidents")
    assert "@z•••:education.example" in page.text
    assert ZOE not in page.text
    name = re.search(r'name="name" value="(user:\w+)"', page.text)[1]
    browser.post("/admin/incidents/unblock", name=name, reason=WHY)
    assert last_row().action == "inviter.unblock"
    with services.database.reading() as session:
        assert block_models.find_user_ids(session, clock()) == frozenset()
    refused = browser.post("/admin/incidents", what="inviter", hours="1", name="@x:y", reason=WHY)
    assert "This is no user of a homeserver of the federation." in words(refused)


def test_whoever_looks_can_stop_nothing(sign_in, vera, services, clock, order, invite):
    browser = sign_in(vera)
    mail_id, invitation_id = order(), invite()
    paths = (
        "/admin/incidents",
        "/admin/incidents/thaw",
        "/admin/homeservers/education.example/hold",
        "/admin/homeservers/education.example/suspend",
        "/admin/homeservers/education.example/credential",
        "/admin/mails/pause",
        f"/admin/mails/{mail_id}/cancel",
        f"/admin/invitations/{invitation_id}",
        "/admin/journal/export",
    )
    page = browser.get("/admin/incidents")
    assert "Stop something" not in words(page)
    for path in paths:
        answer = browser.send(path, reason=WHY, hours="4", what="mails")
        assert answer.status_code == 403, path
    assert "Cancel this mail" not in browser.get(f"/admin/mails/{mail_id}").text


def test_all_other_operators_are_mailed_what_was_stopped(sign_in, ines, ada, services, postbox):
    browser = sign_in(ines)
    browser.get("/admin/incidents")
    browser.post("/admin/incidents", what="inviter", hours="4", name=ZOE, reason=WHY)
    tasks.run_lane(services, Lane.NORMAL)
    assert [message["To"] for message in postbox.sent] == ["ada@ops.example"]
    told = " ".join(postbox.sent[0].get_body(("plain",)).get_content().split())
    assert "Ines stopped: inviter @z•••:education.example" in told
    assert "/admin/incidents" in told
    assert "zoe" not in told


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/admin/incidents", {"what": "sign-ups", "name": ""}),
        ("/admin/incidents", {"what": "inviter", "name": ZOE}),
        ("/admin/homeservers/education.example/hold", {}),
        ("/admin/mails/pause", {"kind": "invite", "pause_domain": ""}),
    ],
)
def test_a_stop_is_not_ended_sooner_without_the_second_factor_that_lifting_asks(
    path, what, sign_in, ines
):
    browser = sign_in(ines)
    browser.post(path, hours="24", reason=WHY, **what)
    sooner = browser.post(path, hours="1", reason=WHY, **what)
    assert "it is stopped for longer already" in sooner.text
    longer = browser.post(path, hours="72", reason=WHY, **what)
    assert "stopped for longer already" not in longer.text
