"""Steps of a change on its page: approved, scheduled, returned, applied without approval, rolled back."""

import re
from datetime import timedelta

from domain_rules.addresses import parse_domain
from identity.rule_changes import change_models
from identity.rule_changes.change_models import ChangeState
from identity.threepids import associations
from tests.worlds.console import *
from tests.worlds.rule_changing import *
from tests.worlds.services import GUESTS
from tests.worlds.visitors import heading, words

LONG_NIGHT = "because of a very long night"


def test_the_number_of_those_whom_it_hurts_is_typed(proposed, sign_in, approvers, ines, read):
    browser = sign_in(ines)
    assert "Type 3 to confirm" in words(browser.get("/admin/changes/C-1"))
    for typed in ("", "2", "three"):
        answer = browser.post("/admin/changes/C-1/approve", typed=typed)
        assert (answer.status_code, "Type exactly what is asked." in words(answer)) == (400, True)
    assert read().state == ChangeState.PROPOSED


def test_nobody_approves_their_own_by_button_or_by_hand(sign_in, approvers, ines, work, read):
    browser = sign_in(ines)
    browser.get("/admin/changes/new")
    browser.post("/admin/changes/new", **OPEN)
    work()
    browser.get("/admin/changes/C-1")
    page = browser.post("/admin/changes/C-1/propose")
    assert "/approve" not in page.text
    crafted = browser.post("/admin/changes/C-1/approve")
    assert (crafted.status_code, "This is your own change" in words(crafted)) == (400, True)
    assert read().state == ChangeState.PROPOSED


def test_an_editor_may_not_approve_and_a_viewer_may_not_edit(proposed, sign_in, vera, read):
    assert proposed.post("/admin/changes/C-1/approve", typed="3").status_code == 403
    viewer = sign_in(vera)
    assert "/admin/changes/new" not in viewer.get("/admin/changes").text
    assert viewer.get("/admin/changes/C-1").status_code == 200
    assert viewer.get("/admin/changes/new").status_code == 403
    assert viewer.post("/admin/changes/C-1/abandon").status_code == 403
    assert read().state == ChangeState.PROPOSED


def test_the_second_factor_is_asked_before_an_approval_and_what_was_typed_is_kept(
    proposed, sign_in, approvers, ines, apps, clock, read
):
    apps.enrol(ines)
    browser = sign_in(ines)
    clock.advance(minutes=11)
    browser.get("/admin/changes/C-1")
    asked = browser.post("/admin/changes/C-1/approve", typed="3")
    assert (heading(asked), 'name="typed" value="3"' in asked.text) == ("Confirm", True)
    assert read().state == ChangeState.PROPOSED
    done = browser.post("/admin/changes/C-1/approve", typed="3", second_factor=apps.code(ines))
    assert "will be applied" in words(done)


def test_what_was_edited_since_the_page_was_shown_is_not_approved(
    approvers, proposed, sign_in, ines, work, read
):
    browser = sign_in(ines)
    browser.get("/admin/changes/C-1")
    proposed.get("/admin/changes/C-1")
    proposed.post("/admin/changes/C-1/return", reason="one more domain")
    proposed.get("/admin/changes/C-1/line")
    other = OPEN | {"pattern": "elsewhere.example"}
    proposed.post("/admin/changes/C-1/line", **other, version=str(read().version))
    assert (read().version, read().lines) == (2, 2)
    proposed.post("/admin/changes/C-1/check")
    work()
    proposed.get("/admin/changes/C-1")
    proposed.post("/admin/changes/C-1/propose")
    assert read().state == ChangeState.PROPOSED
    old = browser.post("/admin/changes/C-1/approve", typed="3")
    assert (old.status_code, "since you looked at it" in words(old)) == (409, True)
    assert read().state == ChangeState.PROPOSED
    blind = browser.client.post(
        "/admin/changes/C-1/approve",
        data={"typed": "3", "csrf_token": re.search(r'csrf_token" value="([^"]+)', old.text)[1]},
    )
    assert (blind.status_code, read().state) == (409, ChangeState.PROPOSED)
    browser.get("/admin/changes/C-1")
    assert "will be applied" in words(browser.post("/admin/changes/C-1/approve", typed="3"))


def test_it_is_scheduled_moved_and_taken_back(proposed, sign_in, approvers, ines, clock, read):
    browser = sign_in(ines)
    browser.get("/admin/changes/C-1")
    past = browser.post("/admin/changes/C-1/approve", typed="3", due_at="2001-01-01T08:00")
    assert (past.status_code, "Choose a moment to come" in words(past)) == (400, True)
    for never in ("2028-03-26T02:30", "9999-12-31T23:59", "0001-01-01T00:00"):
        assert (
            browser.post("/admin/changes/C-1/approve", typed="3", due_at=never).status_code == 400
        )
    local = (clock() + timedelta(days=2)).astimezone(browser.services.settings.time_zone)
    typed = local.strftime("%Y-%m-%dT08:00")
    said = browser.post("/admin/changes/C-1/approve", typed="3", due_at=typed)
    assert "is scheduled" in words(said)
    assert read().due_at.astimezone(local.tzinfo).strftime("%Y-%m-%dT%H:%M") == typed
    browser.post("/admin/changes/C-1/apply", due_at=typed.replace("08:00", "09:00"))
    assert read().due_at.astimezone(local.tzinfo).hour == 9
    assert "Donnez" not in words(browser.post("/admin/changes/C-1/return", reason="ticket 9"))
    assert (read().state, read().why) == (ChangeState.RETURNED, "ticket 9")


def test_it_is_returned_with_a_reason(proposed, sign_in, approvers, ines, read):
    browser = sign_in(ines)
    browser.get("/admin/changes/C-1")
    assert browser.post("/admin/changes/C-1/return").status_code == 400
    told = words(browser.post("/admin/changes/C-1/return", reason="wrong homeserver"))
    assert "Returned: wrong homeserver" in told
    assert read().state == ChangeState.RETURNED


def test_who_comes_second_reads_what_was_decided_and_nothing_is_overwritten(
    proposed, sign_in, approvers, ines, ivo, read
):
    first, second = sign_in(ines), sign_in(ivo)
    for browser in (first, second):
        browser.get("/admin/changes/C-1")
    first.post("/admin/changes/C-1/return", reason="wrong homeserver")
    late = second.post("/admin/changes/C-1/approve", typed="3")
    assert late.status_code == 409
    assert "Somebody already decided: this change is now “returned to its author”." in words(late)
    assert read().approved_by is None


def test_more_people_than_were_approved_are_shown_beside_those_who_were(
    proposed, sign_in, approvers, ines, services, clock, work, in_force, read
):
    browser = sign_in(ines)
    browser.get("/admin/changes/C-1")
    browser.post("/admin/changes/C-1/approve", typed="3")
    with services.database.transaction() as session:
        associations.bind(session, clock(), address=f"new@{ASSO}", user_id=f"@new:{GUESTS}")
    work()
    told = words(browser.get("/admin/changes/C-1"))
    assert "Not applied, more people would be affected: change homeserver : 4" in told
    assert "(approved: 3)" in told
    assert "Type 4 to confirm" in told
    assert "change_homeserver" not in told
    assert (in_force(), read().state) == (None, ChangeState.PROPOSED)


def test_why_the_worker_stopped_is_said_in_the_operators_language(made, sign_in, emil, services):
    browser, said = sign_in(emil, language="fr"), {}
    for what in (*change_models.Obstacle, "of_later"):
        with services.database.transaction() as session:
            found = change_models.find(session, 1)
            found.state, found.why, found.why_code = ChangeState.FAILED, "in English", what
        page = browser.get("/admin/changes/C-1").text
        said[what] = ("Échec" in page, "D’autres ont changé depuis" in page, "in English" in page)
        assert ('<span class="small" lang="en">in English</span>' in page) is (
            said[what][0] or what == "of_later"
        )
    failed = dict.fromkeys(("homeserver", "rule", "unsettled", "other"), (True, False, True))
    failed["of_later"] = (False, False, True)  # of another version: its English is all there is
    # Numbers say what is worse; the rules that others changed are named as they are.
    assert said == failed | {"worse": (False, False, False), "changed": (False, True, True)}


def test_a_broken_glass_is_applied_told_and_reviewed_by_another_person(
    made, sign_in, approvers, ines, ivo, work, read, in_force
):
    browser = sign_in(ines)
    browser.get("/admin/changes/C-1/break-glass")
    short = browser.post("/admin/changes/C-1/break-glass", reason="ticket 12", typed="3")
    assert (short.status_code, "in 20 characters at least" in words(short)) == (400, True)
    browser.post("/admin/changes/C-1/break-glass", reason=LONG_NIGHT, typed="3")
    work()
    assert (in_force() is not None, read().state) == (True, ChangeState.APPLIED)
    page = browser.get("/admin/changes/C-1")
    assert f"Applied without approval: {LONG_NIGHT}" in words(page)
    assert "/review" not in page.text
    other = sign_in(ivo)
    other.get("/admin/changes/C-1")
    assert "Reviewed by Ivo." in words(other.post("/admin/changes/C-1/review"))
    assert read().reviewed_by == "Ivo"


def test_it_is_rolled_back_by_a_change_of_its_own_which_its_applier_may_apply(
    applied, work, read, in_force
):
    page = words(applied.get("/admin/changes/C-1/roll-back"))
    assert "A change is prepared that puts 1 rule back as it was." in page
    back = applied.post("/admin/changes/C-1/roll-back", reason="ticket 77")
    assert heading(back).startswith("Change C-2: Roll back C-1")
    work()
    page = applied.get("/admin/changes/C-2")
    typed = page.text.partition("Type ")[2].partition(" ")[0]
    applied.post("/admin/changes/C-2/approve", typed=typed)
    work()
    assert (in_force(), read().state) == (None, ChangeState.ROLLED_BACK)
    assert applied.get("/admin/changes/C-1/roll-back").status_code == 409


def test_what_others_changed_since_is_named_and_left_unless_it_is_ticked(
    applied, sign_in, ivo, work, read, in_force
):
    other = sign_in(ivo)
    other.get("/admin/changes/new")
    other.post("/admin/changes/new", **OPEN | {"organisation": "Newer"})
    work()
    other.get("/admin/changes/C-2")
    other.post("/admin/changes/C-2/propose")
    applied.get("/admin/changes/C-2")
    applied.post("/admin/changes/C-2/approve")
    work()
    assert in_force().organisation == "Newer"
    page = applied.get("/admin/changes/C-1/roll-back")
    assert ("Others changed these rules since" in words(page), ASSO in words(page)) == (True, True)
    left = applied.post("/admin/changes/C-1/roll-back", reason="ticket 77")
    assert left.status_code in {400, 409}
    applied.get("/admin/changes/C-1/roll-back")
    both = applied.post("/admin/changes/C-1/roll-back", reason="ticket 77", also=f"domain:{ASSO}")
    assert heading(both).startswith("Change C-3: Roll back C-1")


def test_a_domain_that_looks_like_an_open_one_is_named_and_typed_to_approve_it(
    approvers, people, editor, work, sign_in, ines, read
):
    alike = "xn--ac-roen-r2a.example"
    assert parse_domain("ac-roüen.example") == alike
    editor.get("/admin/changes/new")
    editor.post("/admin/changes/new", **(OPEN | {"pattern": alike}))
    work()
    said = "can be mistaken for ac-rouen.example, which is open."
    assert f"{alike} {said}" in words(editor.get("/admin/changes/C-1"))
    editor.post("/admin/changes/C-1/propose")
    browser = sign_in(ines)
    assert f"Type {alike}" in words(browser.get("/admin/changes/C-1"))
    browser.post("/admin/changes/C-1/approve", typed="0")
    assert read(1).state == ChangeState.PROPOSED
    browser.get("/admin/changes/C-1")
    browser.post("/admin/changes/C-1/approve", typed=alike)
    assert read(1).state == ChangeState.APPLYING
