"""The first screen: what this role can settle with its age, stops as banners, and few statements."""

import re
import threading
import uuid
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import delete, event, select

from identity.console import finding
from identity.console.finding import Kind
from identity.core.journal import Actor
from identity.domain_requests.models import RequestState
from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from identity.homeservers import health_models, module_models
from identity.invitations.block_models import InviterBlock
from identity.mail.models import Mail, MailState
from identity.operators.roles import Role, Scope
from identity.rule_changes import changes as changing, service as publishing
from identity.rule_changes.change_models import Change, ChangeState, ChangeTouch
from tests.worlds.console import *
from tests.worlds.domain_requests import waiting_request
from tests.worlds.one_person.filling import fill_every_story
from tests.worlds.services import EDUCATION, agent
from tests.worlds.visitors import heading, words


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.fixture
def add_change(services):
    numbers = iter(range(142, 400))

    def add_change(state=ChangeState.PROPOSED, **values):
        now = services.now()
        with services.database.transaction() as session:
            change = Change(
                number=next(numbers),
                title="open a domain",
                origin="edit",
                state=state,
                version=1,
                author="Emil",
                created_at=now,
                changed_at=now,
                proposed_at=now,
                base=0,
                counts={},
                promised={},
                reason="",
                why="",
                broken_glass_reason="",
            )
            for name, value in values.items():
                setattr(change, name, value)
            session.add(change)

    return add_change


def test_a_day_without_work_says_what_was_looked_at(sign_in, ines):
    page = sign_in(ines).get("/admin/")
    assert heading(page) == "What waits for you"
    assert re.search(r"Nothing waits for you\. \d+ points checked", words(page))


def test_who_may_only_look_is_told_so(sign_in, vera):
    shown = words(sign_in(vera).get("/admin/"))
    assert "Your role is to look: nothing here is yours to settle." in shown
    assert "points checked" not in shown


def test_an_approver_sees_changes_of_others_only(sign_in, ines, emil, vera, add_change):
    add_change()
    add_change(author_id=ines.id, author="Ines")
    assert "Changes to approve: 1" in words(sign_in(ines).get("/admin/"))
    for other in (emil, vera):
        assert "Changes to approve" not in words(sign_in(other).get("/admin/"))


def test_an_editor_sees_requests_within_their_scope(sign_in, emil, make_operator, services):
    with services.database.transaction() as session:
        now = services.now()
        for number, state in ((173, RequestState.OPEN), (174, RequestState.REFUSED)):
            session.add(waiting_request(number, now, state=state))
    page = sign_in(emil).get("/admin/")
    assert "Requests for domains: 1" in words(page)
    assert 'href="/admin/requests"' in page.text
    far = Scope(homeservers=frozenset({"guests.example"}))
    other = sign_in(make_operator("Lou", Role.EDITOR, scope=far)).get("/admin/")
    assert "Requests for domains" not in words(other)


def test_a_count_stops_at_its_bound(sign_in, ines, add_change):
    for _ in range(101):
        add_change()
    assert "Changes to approve: 99+" in words(sign_in(ines).get("/admin/"))


def test_a_change_without_approval_stands_on_every_home_until_it_is_reviewed(
    sign_in, vera, ines, add_change, services
):
    now = services.now()
    add_change(
        ChangeState.APPLIED,
        applied_by="Emil",
        broken_glass_at=now,
        review_until=now + timedelta(hours=48),
    )
    assert "C-142 was applied without approval by Emil" in words(sign_in(vera).get("/admin/"))
    page = words(sign_in(ines).get("/admin/"))
    assert "Changes applied without approval, to review: 1" in page


def test_home_and_search_know_the_changes_of_the_list_and_no_others(
    sign_in, make_operator, emil, services
):
    rouen = Scope(organisations=frozenset({"Éducation nationale – Rouen"}))
    here = Scope(homeservers=frozenset({EDUCATION}))
    elsewhere = Scope(homeservers=frozenset({"guests.example"}))
    with services.database.transaction() as session:
        now, who = services.now(), Actor("Emil", "console", "why")
        rule = agent("ac-lille.example")
        publishing.publish(session, now, publishing.compare(session, put=[rule]), who)
        away = [(rule.kind, rule.pattern)]
        made = changing.make(session, now, who, title="close", take_away=away)
        made.state, made.proposed_at = ChangeState.PROPOSED, now
    for number, (scope, is_seen) in enumerate([(rouen, True), (here, True), (elsewhere, False)]):
        browser = sign_in(make_operator(f"Lou {number}", Role.APPROVER, scope=scope))
        assert ('/admin/changes/C-1"' in browser.get("/admin/changes").text) is is_seen
        assert ("Changes to approve: 1" in words(browser.get("/admin/"))) is is_seen
        with services.database.reading() as session:
            found = finding.find(session, "C-1", scope)
        assert (found.kind is Kind.SCREEN) is is_seen


def test_a_freeze_is_a_banner_for_all_and_a_task_for_approvers(sign_in, vera, ines, services):
    with services.database.transaction() as session:
        now = services.now()
        who = Actor("Léa", "console", "an incident")
        freezing.freeze(
            session, now, who, Frozen.DOMAIN, domain="x.example", until=now + timedelta(hours=4)
        )
    seen = words(sign_in(vera).get("/admin/"))
    assert "The domain x.example is frozen. By Léa" in seen
    assert "Freezes in force" not in seen
    assert "Freezes in force: 1" in words(sign_in(ines).get("/admin/"))


def test_each_role_has_its_own_tasks(sign_in, make_operator, ines, ada, services):
    fill_every_story(services)
    now = services.now()
    with services.database.transaction() as session:
        mail = session.query(Mail).first()
        mail.state, mail.ended_at = MailState.GAVE_UP, now
        module_models.upsert(
            session,
            EDUCATION,
            {
                "heard_at": now - timedelta(minutes=3),
                "version": 1,
                "reports": "",
                "actions": "",
                "skipped": 0,
            },
        )
        session.merge(
            InviterBlock(
                user_id="@x:education.example", since=now, until=None, author="o", reason=""
            )
        )
    support = words(sign_in(make_operator("Sami", Role.SUPPORT)).get("/admin/"))
    approver = words(sign_in(ines).get("/admin/"))
    assert "Mails given up in seven days: 1" in support
    assert "Accounts that may invite nobody" not in support
    assert "Accounts that may invite nobody" in approver
    assert "Homeservers whose module is silent: 1" in approver
    assert "Mails given up" not in approver
    scoped = make_operator(
        "Lou", Role.APPROVER, scope=Scope(homeservers=frozenset({"guests.example"}))
    )
    page = words(sign_in(scoped).get("/admin/"))
    assert "Homeservers whose module is silent" not in page
    assert EDUCATION not in page


def test_a_module_that_was_not_heard_for_two_minutes_is_named_with_its_homeserver(
    sign_in, ines, services, clock
):
    values = {"version": 1, "reports": "", "actions": "", "skipped": 0}
    with services.database.transaction() as session:
        module_models.upsert(session, EDUCATION, {"heard_at": clock(), **values})
    clock.advance(minutes=2)
    assert "module is silent" not in words(sign_in(ines).get("/admin/"))
    clock.advance(seconds=1)
    page = sign_in(ines).get("/admin/")
    told = words(page)
    assert "Homeservers whose module is silent: 1" in told
    assert "Éducation nationale (2 min ago)" in told
    assert f'href="/admin/homeservers/{EDUCATION}">Éducation nationale</a> (' in page.text
    assert "! version 1" in told


def test_mails_given_up_are_told_by_domain_those_with_most_first_and_no_more_than_five(
    sign_in, make_operator, services, clock
):
    fill_every_story(services)
    with services.database.transaction() as session:
        session.execute(delete(Mail))
        for n in range(7):
            session.add_all(
                Mail(
                    template="invite",
                    address=f"p{m}@d{n}.example",
                    mailbox=f"p{m}@d{n}.example",
                    language="fr",
                    subject_id=uuid.uuid4(),
                    state=state,
                    created_at=clock(),
                    ended_at=clock() - timedelta(days=days),
                )
                for m, (state, days) in enumerate(
                    [
                        *((MailState.GAVE_UP, 1) for _ in range(n + 1)),
                        (MailState.GAVE_UP, 8),
                        (MailState.HANDED, 1),
                    ]
                )
            )
    sami = make_operator("Sami", Role.SUPPORT)
    page = sign_in(sami).get("/admin/")
    assert (
        "d6.example (7), d5.example (6), d4.example (5), d3.example (4), d2.example (3), and others"
    ) in words(page)
    assert 'href="/admin/mails?state=gave_up&amp;domain=d6.example"' in page.text
    french = unescape(sign_in(sami, language="fr").get("/admin/").text)
    assert "lang=" not in re.search(r'href="(/admin/mails\?state=gave_up[^"]*)"', french)[1]
    assert "et d’autres" in french


def test_a_homeserver_that_does_not_answer_waits_for_whoever_can_stop_it(
    sign_in, ines, make_operator, services, clock
):
    def look(milliseconds):
        with services.database.transaction() as session:
            health_models.record(session, clock(), EDUCATION, milliseconds)
        clock.advance(minutes=1)

    theirs = Scope(organisations=frozenset({"Éducation nationale – Rouen"}))
    lou = make_operator("Lou", Role.APPROVER, scope=theirs)
    look(84)
    page = words(sign_in(ines).get("/admin/"))
    assert ("84 ms at" in page, "that do not answer" in page) == (True, False)
    look(None)
    for who in (ines, lou):
        page = words(sign_in(who).get("/admin/"))
        assert "Homeservers that do not answer: 1" in page
        assert "! no answer at" in page
    look(1800)
    page = words(sign_in(ines).get("/admin/"))
    assert ("! 1800 ms at" in page, "that do not answer" in page) == (True, False)
    look(None)
    clock.advance(minutes=15)  # nobody looks any more: what the last look found is no news
    assert "that do not answer" not in words(sign_in(ines).get("/admin/"))


def test_the_share_of_mails_that_failed_is_that_of_a_day(sign_in, vera, services, clock):
    fill_every_story(services)
    states = [MailState.HANDED] * 5 + [MailState.REFUSED] + [MailState.GAVE_UP] * 2
    with services.database.transaction() as session:
        session.execute(delete(Mail))
        for state, days in [*((each, 0) for each in states), ("refused", 2), ("dropped", 0)]:
            session.add(
                Mail(
                    template="invite",
                    address="gil@asso.example",
                    mailbox="gil@asso.example",
                    language="fr",
                    subject_id=uuid.uuid4(),
                    state=state,
                    created_at=clock(),
                    ended_at=clock() - timedelta(days=days),
                )
            )
    assert "37.5% refused or given up in 24 hours" in words(sign_in(vera).get("/admin/"))
    french = sign_in(vera, language="fr").get("/admin/")
    assert "37,5\u00a0% refusés ou abandonnés" in unescape(french.text)


def test_an_auditor_sees_neither_tasks_nor_homeservers(sign_in, make_operator, add_change):
    add_change()
    page = sign_in(make_operator("Aude", Role.AUDITOR)).get("/admin/")
    assert (page.status_code, "In short" in words(page)) == (200, False)
    assert 'role="search"' not in page.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT, Role.APPROVER, Role.ADMIN])
def test_the_first_screen_takes_at_most_eight_statements(
    sign_in, make_operator, role, services, add_change
):
    add_change()
    browser = sign_in(make_operator("Nina", role))
    browser.get("/admin/")
    seen, here = [], threading.get_ident()

    def note(*args):
        if threading.get_ident() == here:  # the cache of freezes looks aside
            seen.append(args[2])

    event.listen(services.database.engine, "before_cursor_execute", note)
    assert browser.get("/admin/").status_code == 200
    seen = [each for each in seen if each != "BEGIN"]
    assert 0 < len(seen) <= 8, "\n".join(seen)


def test_changes_of_others_are_neither_counted_nor_named_to_who_has_a_scope(
    sign_in, make_operator, add_change, services
):
    now = services.now()
    add_change()
    add_change(
        ChangeState.APPLIED,
        applied_by="Emil",
        broken_glass_at=now,
        review_until=now + timedelta(hours=48),
    )
    with services.database.transaction() as session:
        for change in session.scalars(select(Change)):  # it takes a domain away, and puts no rule
            session.add(ChangeTouch(change_id=change.id, homeserver=EDUCATION, organisation=""))
    pages = [
        words(sign_in(make_operator(name, Role.APPROVER, scope=scope)).get("/admin/"))
        for name, scope in (
            ("Lou", Scope(homeservers=frozenset({"guests.example"}))),
            ("Léo", Scope(homeservers=frozenset({EDUCATION}))),
        )
    ]
    seen = [
        [text in page for text in ("Changes to approve", "to review", "C-143")] for page in pages
    ]
    assert seen == [[False] * 3, [True] * 3]
