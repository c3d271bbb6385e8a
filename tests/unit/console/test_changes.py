"""A change is made, counted, proposed, approved, applied and rolled back on the screens of the console."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from domain_rules.addresses import parse_domain
from identity.core.journal import Actor
from identity.operators.roles import Role, Scope
from identity.rule_changes import change_models, changes, service
from identity.rule_changes.change_models import ChangeState
from identity.threepids import associations
from tests.worlds.console import *
from tests.worlds.rule_changing import *
from tests.worlds.services import EDUCATION, GUESTS, agent
from tests.worlds.visitors import heading, words

MOST_QUERIES = 8
LONG_NIGHT = "because of a very long night"


@pytest.fixture
def editor(sign_in, emil):
    return sign_in(emil)


@pytest.fixture
def made(editor, people, work):
    """Emil prepared C-1, which opens asso.example, and the worker has counted it."""
    editor.get("/admin/changes/new")
    editor.post("/admin/changes/new", **OPEN)
    work()
    return editor


@pytest.fixture
def proposed(made):
    made.get("/admin/changes/C-1")
    made.post("/admin/changes/C-1/propose")
    return made


@pytest.fixture
def applied(proposed, sign_in, approvers, ines, work):
    browser = sign_in(ines)
    browser.get("/admin/changes/C-1")
    browser.post("/admin/changes/C-1/approve", typed="3")
    work()
    return browser


def test_a_domain_is_opened_from_its_page_and_everybody_sees_whom_it_affects(
    sign_in, emil, ines, approvers, people, work, read, in_force
):
    browser = sign_in(emil)
    page = browser.get(f"/admin/domains/{ASSO}")
    assert f"/admin/changes/new?domain={ASSO}" in page.text
    form = browser.get(f"/admin/changes/new?domain={ASSO}")
    assert f'value="{ASSO}"' in form.text
    made = browser.post("/admin/changes/new", **OPEN)
    assert heading(made) == f"Change C-1: Open or move {ASSO}"
    assert "C-1 is made" in words(made)
    assert "The check is about to begin." in words(made)
    work()
    told = words(browser.get("/admin/changes/C-1"))
    assert f"+ added {ASSO} this domain closed agents on {EDUCATION} (Asso)" in told
    assert "become agents 3 by domain" in told
    assert "change homeserver 3 by domain" in told
    assert f"{ASSO} change homeserver 3" in words(browser.get("/admin/changes/C-1/effects"))
    browser.get("/admin/changes/C-1")
    said = words(browser.post("/admin/changes/C-1/propose"))
    assert "Another person approves it" in said
    assert "This is your own change" in said
    approver = sign_in(ines)
    approver.get("/admin/changes/C-1")
    assert "will be applied" in words(approver.post("/admin/changes/C-1/approve", typed="3"))
    assert in_force() is None
    work()
    assert "Applied at" in words(approver.get("/admin/changes/C-1"))
    assert (read().state, in_force().homeserver) == (ChangeState.APPLIED, EDUCATION)
    history = words(approver.get("/admin/changes/C-1/history"))
    assert [action in history for action in ("change.make", "change.approve", "console from")] == (
        [True] * 3
    )


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


def test_of_two_editors_the_slower_one_sees_both_versions_and_what_is_in_force(
    made, sign_in, make_operator, services, read
):
    eva = sign_in(make_operator("Eva", Role.EDITOR))
    line = made.get("/admin/changes/C-1/line?place=1")
    version = line.text.partition('name="version" value="')[2].partition('"')[0]
    eva.get("/admin/changes/C-1/line?place=1")
    eva.post("/admin/changes/C-1/line", **OPEN | {"organisation": "Of Eva"}, version=version)
    mine = OPEN | {"organisation": "Of Emil"}
    conflict = made.post("/admin/changes/C-1/line", **mine, version=version)
    told = words(conflict)
    assert (conflict.status_code, heading(conflict)) == (409, "Somebody was faster")
    assert f"Yours agents on {EDUCATION} (Of Emil)" in told
    assert f"Theirs + added agents on {EDUCATION} (Of Eva)" in told
    assert "In force closed" in told
    assert 'value="Of Emil"' in conflict.text
    newer = conflict.text.partition('name="version" value="')[2].partition('"')[0]
    made.post("/admin/changes/C-1/line", **mine, version=newer)
    with services.database.reading() as session:
        found = change_models.find_lines(session, read().id)
    assert [line.rule["organisation"] for line in found] == ["Of Emil"]
    assert read().state == ChangeState.DRAFT


def test_a_second_domain_joins_a_draft_and_a_line_is_taken_out(made, read):
    form = made.get("/admin/changes/new?domain=other.example")
    assert "C-1 Open or move" in form.text
    into = form.text.partition('<option value="1:')[2].partition('"')[0]
    made.post("/admin/changes/new", **OPEN | {"pattern": "*.other.example"}, into=f"1:{into}")
    assert (read().lines, read().state) == (2, ChangeState.CHECKING)
    made.get("/admin/changes/C-1")
    made.post("/admin/changes/C-1/abandon")
    assert read().state == ChangeState.ABANDONED


def test_a_line_is_taken_out_of_a_change(made, read):
    page = made.get("/admin/changes/C-1/line?place=1")
    version = page.text.partition('name="version" value="')[2].partition('"')[0]
    told = words(made.post("/admin/changes/C-1/drop", place="1", version=version))
    assert "No line yet." in told
    assert read().lines == 0


def test_a_rule_is_taken_away_and_what_the_form_does_not_ask_stays(
    services, editor, work, in_force, clock
):
    with services.database.transaction() as session:
        rule = replace(agent(ASSO, "Of old"), extra_signs="&", note="ticket 3")
        olga = Actor("Olga", "here", "ticket 3")
        service.publish(session, clock(), service.compare(session, put=[rule]), olga)
    form = editor.get(f"/admin/changes/new?domain={ASSO}")
    assert ('value="Of old"' in form.text, 'value="ticket 3"' in form.text) == (True, True)
    editor.post("/admin/changes/new", **OPEN)
    line = words(editor.get("/admin/changes/C-1"))
    assert f"~ changed {ASSO}" in line
    with services.database.reading() as session:
        stored = change_models.find_lines(session, changes.required(session, 1).id)
    assert (stored[0].rule["extra_signs"], stored[0].rule["organisation"]) == ("&", "Asso")
    editor.get(f"/admin/changes/new?domain={ASSO}&act=remove")
    removal = editor.post("/admin/changes/new", pattern=ASSO, outcome="remove")
    assert "− removed" in words(removal)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"pattern": "no domain"}, "Type a domain, such as ac-rouen.fr"),
        ({"homeserver": ""}, "Choose a homeserver."),
        ({"homeserver": "unknown.example"}, "Choose a homeserver."),
        ({"outcome": "sibling", "sibling_of": "x"}, "Type the domain to use instead."),
        ({"outcome": "sibling", "sibling_of": ASSO}, "cannot be sent to itself"),
        ({"pattern": "*", "outcome": "sibling", "sibling_of": ASSO}, "Type the domain to use"),
        ({"outcome": "remove"}, "This domain has no rule to take away."),
        ({"pattern": "gmail.com"}, "it cannot be opened to agents here"),
        ({"organisation": "x" * 201}, "At most 200 characters."),
    ],
)
def test_what_cannot_become_a_line_is_said_at_its_field_and_kept(editor, typed, said, services):
    editor.get("/admin/changes/new")
    answer = editor.post("/admin/changes/new", **OPEN | typed)
    assert (answer.status_code, said in words(answer)) == (400, True)
    assert 'aria-invalid="true"' in answer.text
    with services.database.reading() as session:
        assert not changes.find_changes(session).items


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
    for what in change_models.Obstacle:
        with services.database.transaction() as session:
            found = change_models.find(session, 1)
            found.state, found.why, found.why_code = ChangeState.FAILED, "in English", what
        page = browser.get("/admin/changes/C-1").text
        said[what] = ("Échec" in page, "D’autres ont changé depuis" in page, "in English" in page)
        assert ('<span class="small" lang="en">in English</span>' in page) is said[what][0]
    failed = dict.fromkeys(("homeserver", "rule", "unsettled", "other"), (True, False, True))
    # Numbers say what is worse; the rules that others changed are named as they are.
    assert said == failed | {"worse": (False, False, False), "changed": (False, True, True)}


def test_how_far_a_check_has_come_is_shown(editor, services, read):
    editor.get("/admin/changes/new")
    editor.post("/admin/changes/new", **OPEN)
    with services.database.transaction() as session:
        changes.record_progress(session, read().id, done=125_000, total=312_480)
    page = editor.get("/admin/changes/C-1")
    assert "125,000 addresses of 312,480" in words(page)
    assert ('value="125000" max="312480"' in page.text, "Refresh" in page.text) == (True, True)
    assert "http-equiv" not in page.text


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


def test_an_applied_change_still_tells_what_it_changed(applied):
    assert f"+ added {ASSO} this domain closed agents" in words(applied.get("/admin/changes/C-1"))


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


def test_a_change_outside_of_a_scope_is_not_found(made, sign_in, make_operator):
    scope = Scope(homeservers=frozenset({GUESTS}))
    scoped = sign_in(make_operator("Sam", Role.EDITOR, scope=scope))
    assert "C-1" not in words(scoped.get("/admin/changes"))
    for part in ("", "/lines", "/effects", "/history", "/line"):
        assert scoped.get(f"/admin/changes/C-1{part}").status_code == 404
    scoped.get("/admin/changes/new")
    outside = scoped.post("/admin/changes/new", **OPEN)
    assert (outside.status_code, "what you do not look after" in words(outside)) == (400, True)
    tested = scoped.post("/admin/test", addresses=ASSO, as_of="C-1")
    assert tested.status_code == 400


def test_an_address_is_tested_under_a_change(made, vera, sign_in):
    browser = sign_in(vera)
    browser.get("/admin/test")
    told = words(browser.post("/admin/test", addresses=f"gil@{ASSO}", beside="c-1"))
    assert told.index("Now") < told.index("With C-1")
    assert "The two answers differ." in told


def test_lists_show_what_is_asked_for(applied, emil, sign_in):
    editor = sign_in(emil)
    editor.get("/admin/changes/new")
    editor.post("/admin/changes/new", **OPEN | {"pattern": "late.example"})
    assert "late.example" in words(editor.get("/admin/changes?show=waiting"))
    done = words(editor.get("/admin/changes?show=applied"))
    assert (f"move {ASSO}" in done, "late.example" in done) == (True, False)
    assert "No change." in words(editor.get("/admin/changes?show=ended"))
    assert "late.example" in words(editor.get("/admin/domains/late.example"))


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/admin/domains?prefix=a&kind=domain&changed_since=2020-01-01",
            "/admin/domains/x.example",
        ),
        *(f"/admin/domains/{ASSO}", "/admin/test", "/admin/revisions", "/admin/revisions/2"),
        *("/admin/changes", "/admin/changes/C-1", "/admin/changes/C-1/effects"),
        *("/admin/changes/C-1/lines", "/admin/changes/C-1/history", "/admin/changes/new"),
        *(f"/admin/changes/new?domain={ASSO}", "/admin/changes/import"),
        "/admin/changes/C-1/roll-back",
    ],
)
def test_a_page_takes_at_most_eight_queries(applied, services, path):
    asked = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        asked.extend([statement] if statement != "BEGIN" else [])

    applied.get(path)  # the rules are loaded once
    event.listen(services.database.engine, "before_cursor_execute", note)
    try:
        assert applied.get(path).status_code == 200
    finally:
        event.remove(services.database.engine, "before_cursor_execute", note)
    assert 1 <= len(asked) <= MOST_QUERIES, asked


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
