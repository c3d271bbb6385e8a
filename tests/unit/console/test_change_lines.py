"""The lines of a change on its page: what a form does not ask is kept, and all of a rule is shown."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain_rules.addresses import parse_domain
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core.journal import Actor
from identity.operators.roles import Role, Scope
from identity.rule_changes import change_models, changes
from identity.rule_changes.change_models import ChangeState
from tests.worlds.console import *
from tests.worlds.rule_changing import *
from tests.worlds.services import EDUCATION, GUESTS, agent
from tests.worlds.visitors import words

EMIL = Actor("Emil", "a test", "ticket 12")
UNTIL = datetime(2027, 9, 1, tzinfo=UTC)
ASKED = replace(
    agent(ASSO),
    extra_signs="&",
    valid_until=UNTIL,
    moved_from=("old.example",),
    moving_until=UNTIL,
    note="until the merger",
)


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def make(services, clock):
    """Make a change of these rules."""

    def make(*put):
        with services.database.transaction() as session:
            return changes.make(session, clock(), EMIL, title="a test", put=put).number

    return make


@pytest.fixture
def stored(services, read):
    """The rules that the change puts."""

    def stored(number=1):
        with services.database.reading() as session:
            found = change_models.find_lines(session, read(number).id)
        return [change_models.rule_of(line) for line in found]

    return stored


def test_what_the_form_does_not_ask_stays_as_the_draft_has_it(make, sign_in, emil, stored):
    make(ASKED)
    browser = sign_in(emil)
    browser.get("/admin/changes/C-1/line?place=1")
    browser.post("/admin/changes/C-1/line", **OPEN, note="until the merger", version="1", place="1")
    assert stored() == [replace(ASKED, organisation="Asso")]


def test_guests_who_need_no_invitation_stay_so_unless_the_outcome_is_changed(
    make, sign_in, emil, stored
):
    make(Rule(RuleKind.DOMAIN, ASSO, AccountClass.GUEST, GUESTS, requires_invite=False))
    browser = sign_in(emil)
    browser.get("/admin/changes/C-1/line?place=1")
    same = {"pattern": ASSO, "outcome": "guest", "homeserver": GUESTS, "organisation": "Asso"}
    browser.post("/admin/changes/C-1/line", **same, version="1", place="1")
    assert [(rule.organisation, rule.requires_invite) for rule in stored()] == [("Asso", False)]


def test_a_pattern_that_is_mended_leaves_no_line_for_the_one_before(
    make, sign_in, emil, stored, read
):
    make(agent("ac-normadie.example"), agent("b.example"))
    browser = sign_in(emil)
    assert 'name="place" value="1"' in browser.get("/admin/changes/C-1/line?place=1").text
    mended = OPEN | {"pattern": "ac-normandie.example"}
    browser.post("/admin/changes/C-1/line", **mended, version="1", place="1")
    assert [rule.pattern for rule in stored()] == ["b.example", "ac-normandie.example"]
    assert (read().lines, read().state) == (2, ChangeState.DRAFT)
    late = browser.post("/admin/changes/C-1/line", **OPEN, version="1", place="1")
    assert late.status_code == 409
    assert [rule.pattern for rule in stored()] == ["b.example", "ac-normandie.example"]


def test_all_that_a_line_changes_is_shown(make, sign_in, vera):
    make(ASKED)
    told = words(sign_in(vera).get("/admin/changes/C-1"))
    for said in (
        "until 2027-09-01T00:00:00+00:00",
        "also signs &",
        "moved from old.example",
        "note: until the merger",
    ):
        assert said in told


def test_the_default_is_not_opened_to_agents(sign_in, emil, services):
    browser = sign_in(emil)
    browser.get("/admin/changes/new")
    refused = browser.post("/admin/changes/new", **OPEN | {"pattern": "*"})
    assert "cannot be opened to agents here" in words(refused)
    with services.database.reading() as session:
        assert change_models.find(session, 1) is None


def test_a_closed_domain_that_is_opened_is_compared_with_its_look_alikes(
    make, services, sign_in, emil, ines, work, read
):
    alike = parse_domain("ac-roüen.example")
    sibling = replace(agent(alike), homeserver=None, sibling_of="ac-rouen.example")
    for number, rule in ((1, sibling), (2, agent(alike))):
        make(rule)
        browser = sign_in(ines)
        browser.get(f"/admin/changes/C-{number}")
        browser.post(f"/admin/changes/C-{number}/check")
        work()
        page = browser.get(f"/admin/changes/C-{number}")
        assert (f"Type {alike}" in words(page)) == (number == 2)
        browser.post(f"/admin/changes/C-{number}/approve")
        work()
    assert (read(1).state, read(2).state) == (ChangeState.APPLIED, ChangeState.CHECKED)


def test_a_domain_s_page_names_no_change_outside_of_the_scope(make, sign_in, make_operator):
    make(
        agent(ASSO),
        Rule(RuleKind.DOMAIN, "g.example", AccountClass.GUEST, GUESTS, requires_invite=True),
    )
    of_education = Scope(homeservers=frozenset({EDUCATION}))
    narrow = sign_in(make_operator("Narrow", Role.EDITOR, scope=of_education))
    assert "/admin/changes/C-1" not in narrow.get(f"/admin/domains/{ASSO}").text
    whole = sign_in(make_operator("Whole", Role.EDITOR))
    assert "/admin/changes/C-1" in whole.get(f"/admin/domains/{ASSO}").text
