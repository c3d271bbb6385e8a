"""The pages of changes of rules: made, counted, edited, listed, and what each page shows."""

from dataclasses import replace

import pytest

from domain_rules.rule import AccountClass, RuleKind
from identity.core.journal import Actor
from identity.homeservers import health_models
from identity.operators.roles import Role, Scope
from identity.rule_changes import change_models, changes, checking, service
from identity.rule_changes.change_models import ChangeState
from tests.worlds.console import *
from tests.worlds.rule_changing import *
from tests.worlds.services import EDUCATION, GUESTS, agent
from tests.worlds.statements import MOST_QUERIES, OF_THE_SESSION, statements
from tests.worlds.visitors import heading, words


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
    assert "Effects (known addresses in reach: 3)" in told
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


def test_what_a_check_looked_for_is_said_also_where_nothing_was_found(
    sign_in, ines, editor, work, services, clock
):
    with services.database.transaction() as session:
        health_models.record(session, clock(), EDUCATION, 1_800)
    editor.get("/admin/changes/new")
    assert "look-alike" not in words(editor.post("/admin/changes/new", **OPEN))
    work()
    told = words(editor.get("/admin/changes/C-1"))
    assert "0 look-alikes · none of the rules is hidden by a narrower one" in told
    assert f"⚠ {EDUCATION} answered in 1.8 s at " in told
    assert "It can be rolled back at any time" in told
    french = words(sign_in(ines, language="fr").get("/admin/changes/C-1"))
    assert "0 sosie · aucune des règles n’est masquée" in french
    assert f"⚠ {EDUCATION} a répondu en 1,8 s à " in french


def test_look_alikes_and_hidden_rules_are_counted(editor, services, clock, work):
    guests = {"account_class": AccountClass.GUEST, "homeserver": GUESTS}
    below = replace(agent("example"), kind=RuleKind.SUFFIX, **guests)
    with services.database.transaction() as session:
        olga, now = Actor("Olga", "here", "ticket 3"), clock()
        put = [below, agent("ac-r0uen.example")]
        change = changes.make(session, now, olga, title="Open all", put=put)
        changes.order_check(session, now, olga, change)
    work()
    told = words(editor.get("/admin/changes/C-1"))
    assert "1 look-alike · 1 rule is hidden in part" in told


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


def test_how_far_a_check_has_come_is_shown(editor, services, read):
    editor.get("/admin/changes/new")
    editor.post("/admin/changes/new", **OPEN)
    with services.database.transaction() as session:
        checking.record_progress(session, read().id, done=125_000, total=312_480)
    page = editor.get("/admin/changes/C-1")
    assert "125,000 addresses of 312,480" in words(page)
    assert ('value="125000" max="312480"' in page.text, "Refresh" in page.text) == (True, True)
    assert "http-equiv" not in page.text


def test_an_applied_change_still_tells_what_it_changed(applied):
    assert f"+ added {ASSO} this domain closed agents" in words(applied.get("/admin/changes/C-1"))


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
    applied.get(path)  # the rules are loaded once
    with statements(services.database.engine) as found:
        assert applied.get(path).status_code == 200
    asked = [each for each, _values in found if each != "BEGIN" and OF_THE_SESSION not in each]
    assert 1 <= len(asked) <= MOST_QUERIES, asked
