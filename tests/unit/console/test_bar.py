"""The bar of every page: who one is, what one may do, and what waits for one's decision."""

import re

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from identity.core.journal import Actor
from identity.domain_requests.models import RequestState
from identity.operators.roles import Role, Scope, strongest
from identity.rule_changes import changes as changing
from identity.rule_changes.change_models import ChangeState
from tests.worlds.console import *
from tests.worlds.domain_requests import waiting_request
from tests.worlds.services import EDUCATION, agent


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.fixture
def ask(services):
    """Requests for domains that wait, near this homeserver."""

    def ask(*, homeserver=EDUCATION, first=1, last=1, state=RequestState.OPEN):
        now = services.now()
        with services.database.transaction() as session:
            session.add_all(
                waiting_request(number, now, state=state, homeserver=homeserver)
                for number in range(first, last + 1)
            )

    return ask


@pytest.fixture
def propose(services):
    """A change by this author that waits for approval."""

    def propose(domain, author_id=None):
        now, who = services.now(), Actor("Emil", "console", "why")
        with services.database.transaction() as session:
            made = changing.make(
                session, now, who, title="open", put=[agent(domain)], operator_id=author_id
            )
            made.state, made.proposed_at = ChangeState.PROPOSED, now

    return propose


def bar_of(page):
    """The words of the bar, link by link."""
    found = re.search(r'<nav class="bar".*?</nav>', page.text, re.DOTALL)[0]
    return [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", each)).strip()
        for each in re.findall(r"<li>(.*?)</li>", found, re.DOTALL)
    ]


def header_of(page):
    """The words above the bar."""
    found = re.search(r"<header.*?</header>", page.text, re.DOTALL)[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found))


def test_the_bar_of_every_page_counts_what_waits_for_a_decision_of_this_operator(
    sign_in, ines, vera, ask, propose
):
    ask(last=3)
    propose("open.example")
    propose("mine.example", author_id=ines.id)
    for path in ("/admin/", "/admin/domains", "/admin/about", "/admin/changes/C-999"):
        bar = bar_of(sign_in(ines).get(path))
        assert bar[1:4] == ["Requests (3 waiting)", "Domains", "Changes (1 waiting)"], path
        assert bar_of(sign_in(vera).get(path))[1:4] == ["Requests", "Domains", "Changes"], path
    menu = re.sub(r"<[^>]+>", "", sign_in(ines).get("/admin/menu").text.partition("<main")[2])
    assert ("Requests (3 waiting)" in menu, "Changes (1 waiting)" in menu) == (True, True)


def test_in_french_the_bar_reads_as_it_was_drawn(sign_in, ines, ask):
    ask(last=3)
    page = sign_in(ines, language="fr").get("/admin/domains")
    assert bar_of(page)[1] == "Demandes (3 en attente)"
    assert "approbation" in header_of(page)


def test_a_count_in_the_bar_stops_at_its_bound_and_at_the_scope(sign_in, make_operator, ines, ask):
    ask(last=101)
    assert bar_of(sign_in(ines).get("/admin/domains"))[1] == "Requests (99+ waiting)"
    far = Scope(homeservers=frozenset({"guests.example"}))
    lou = make_operator("Lou", Role.EDITOR, scope=far)
    assert bar_of(sign_in(lou).get("/admin/domains"))[1] == "Requests"
    ask(homeserver="guests.example", first=200, last=201)
    assert bar_of(sign_in(lou).get("/admin/domains"))[1] == "Requests (2 waiting)"


def test_who_is_not_whole_yet_is_told_of_nothing(sign_in, ines, ask, browser):
    ask()
    page = sign_in(ines, proved=False).get("/admin/sign-in/second")
    assert ('class="bar"' in page.text, "waiting" in page.text) == (False, False)
    assert 'class="bar"' not in browser.get("/admin/sign-in").text


def test_the_counts_cost_one_statement_and_nothing_for_whom_nothing_can_wait(
    sign_in, ines, vera, ask, count_queries
):
    ask()
    spent = {}
    for who in (ines, vera):
        browser = sign_in(who)
        browser.get("/admin/stay")
        with count_queries() as counted:
            assert browser.get("/admin/stay").status_code == 200
        spent[who.name] = counted()
    assert spent["Ines"] == spent["Vera"] + 1


def test_a_database_that_goes_away_before_the_counts_is_named_on_error_pages_too(
    sign_in, ines, services
):
    browser = sign_in(ines)
    seen = []

    def refuse(_connection, _cursor, statement, *_rest):
        if "changes_to_approve" in str(_rest) or "changes_to_approve" in statement:
            seen.append(statement)
            raise OperationalError(statement, None, Exception("the server closed the connection"))

    event.listen(services.database.engine, "before_cursor_execute", refuse)
    for path in ("/admin/domains", "/admin/changes/C-999"):
        page = browser.get(path)
        assert (page.status_code, page.headers.get("Retry-After") is None) == (503, False), path
    assert len(seen) == 2


def test_beside_the_name_stand_the_roles_that_no_other_one_implies(sign_in, make_operator):
    lou = make_operator("Lou", Role.APPROVER, Role.EDITOR, Role.VIEWER, Role.SUPPORT)
    assert "Lou support, approver Sign out" in header_of(sign_in(lou).get("/admin/me"))
    assert strongest({Role.ADMIN, Role.VIEWER}) == [Role.ADMIN]
    assert strongest({Role.AUDITOR}) == [Role.AUDITOR]
