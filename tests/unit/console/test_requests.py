"""The screens of requests for domains: evidence first, people masked, one decision."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core.journal import JournalEntry
from identity.domain_requests import deciding, proofs
from identity.domain_requests.models import DomainRequest, Refusal
from identity.operators.roles import Role, Scope
from identity.rule_changes import change_models, changes
from tests.worlds.domain_askers import *
from tests.worlds.services import EDUCATION, GUESTS
from tests.worlds.visitors import heading, words

LOOK_ALIKE = "ac-r0uen.example"


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # the queries are tried on both in tests/unit/domain_requests


@pytest.fixture
def asked(office):
    """Jean and Léa ask for ac-normandie.example; the worker has collected the evidence."""
    office.dns.put(NORMANDIE, "MX", "10 mx.ac-rouen.example.")
    office.dns.put("ac-rouen.example", "MX", "10 mx.ac-rouen.example.")
    office.ask()
    office.ask(f"lea@{NORMANDIE}")
    office.work()
    return office


@pytest.fixture
def desk(sign_in, emil):
    return sign_in(emil)


def journal_of(services, subject="D-1"):
    with services.database.reading() as session:
        asked = select(JournalEntry).where(JournalEntry.subject == subject)
        return [(row.action, row.actor, row.reason) for row in session.scalars(asked)]


def test_the_list_shows_what_waits_and_what_speaks_for_it(asked, desk):
    asked.ask(f"ana@{LOOK_ALIKE}")
    asked.work()
    page = desk.get("/admin/requests")
    shown = words(page)
    assert f"@{NORMANDIE} D-1 2" in shown
    assert "Mail as ac-rouen.example" in shown
    assert "Looks like ac-rouen.example" in shown
    assert "<caption>" in page.text
    assert "No request." in words(desk.get("/admin/requests?state=decided"))
    wanted = words(desk.get("/admin/requests?sort=wanted"))
    assert wanted.index("D-1") < wanted.index("D-2")
    assert desk.get("/admin/requests?state=nonsense").status_code == 400


def test_the_heads_of_the_list_sort_it_by_links_and_say_how_it_is_sorted(asked, desk):
    asked.clock.advance(minutes=1)
    asked.ask(f"ana@{LOOK_ALIKE}")
    seen = []
    path = "/admin/requests"
    for head in ("Since", "Since", "People", "People", "Since"):
        page = desk.get(path).text
        heads = re.findall(r"<th ([^>]*)>(.*?)</th>", page, re.DOTALL)
        links = {}
        for given, inside in heads:
            link = re.search(r'href="([^"]+)">([A-Z][a-z]+)', inside)
            if link:
                state = re.search(r'aria-sort="(\w+)"', given)[1]
                links[link[2]] = (unescape(link[1]), state)
        assert sorted(links) == ["People", "Since"]
        order = re.findall(r">@([a-z0-9.-]+)</a>", page)
        seen.append((links["People"][1], links["Since"][1], order))
        path = links[head][0]
    first, second = NORMANDIE, LOOK_ALIKE
    assert seen == [
        ("none", "ascending", [first, second]),
        ("none", "descending", [second, first]),
        ("none", "ascending", [first, second]),
        ("descending", "none", [first, second]),
        ("ascending", "none", [second, first]),
    ]


@pytest.mark.parametrize("sort", ["oldest", "newest", "wanted", "fewest"])
def test_in_each_order_the_list_is_read_to_its_end_by_key(desk, services, sort):
    with services.database.transaction() as session:
        now = services.now()
        session.add_all(
            DomainRequest(
                number=1000 + n,
                domain=f"d{n}.example",
                owner=f"d{n}.example",
                state="open",
                people=n % 7,
                created_at=now + timedelta(minutes=n % 11),
                changed_at=now,
                evidence={},
            )
            for n in range(120)
        )
    found, path, pages = [], f"/admin/requests?sort={sort}", 0
    while path and pages < 9:
        page = desk.get(path).text
        found += re.findall(r"D-(1\d\d\d)</span>", page)
        more = re.search(r'class="button second" href="([^"]+)"', page)
        path, pages = unescape(more[1]) if more else None, pages + 1
    assert (sorted(map(int, found)), pages) == ([1000 + n for n in range(120)], 3)
    keys = [int(n) % 1000 % (7 if sort in {"wanted", "fewest"} else 11) for n in found]
    assert keys == sorted(keys, reverse=sort in {"wanted", "newest"})


def test_addresses_are_masked_until_somebody_says_why(asked, desk, services):
    page = desk.get("/admin/requests/D-1")
    assert f"j•••@{NORMANDIE}" in words(page)
    assert JEAN not in page.text
    why = desk.post("/admin/requests/D-1/people")
    assert (heading(why), JEAN in why.text) == ("Once more", False) or "reason" in why.text
    assert journal_of(services) == []
    shown = desk.post("/admin/requests/D-1/people", reason="call them, ticket 4412")
    assert JEAN in shown.text
    assert journal_of(services) == [("request.show_people", "Emil", "call them, ticket 4412")]
    assert JEAN not in desk.at


def test_an_accepted_request_lands_in_a_change_that_is_checked(asked, desk, services):
    page = desk.get("/admin/requests/D-1")
    assert f'value="{EDUCATION}" selected' in page.text
    done = desk.post(
        "/admin/requests/D-1/accept", homeserver=EDUCATION, organisation="Normandie", sibling_of=""
    )
    assert "Change C-1 is prepared and is being checked." in words(done)
    with services.database.reading() as session:
        change = change_models.find(session, 1)
        (line,) = change_models.find_lines(session, change.id)
    assert (change.state, change.author, line.pattern) == ("checking", "Emil", NORMANDIE)
    again = desk.post("/admin/requests/D-1/accept", homeserver=EDUCATION)
    assert "Emil already decided" in words(again)


def test_the_check_says_how_many_people_are_mailed_and_for_how_long(asked, desk):
    asked.ask("mia@asso-9.example")
    desk.post("/admin/requests/D-1/accept", homeserver=EDUCATION)
    asked.work()
    page = words(desk.get("/admin/changes/C-1"))
    assert "asked for these domains 2 (1 request) the decision, within an hour" in page
    for number in range(199):
        asked.ask(f"person{number}@{NORMANDIE}")
    page = words(desk.get("/admin/changes/C-1"))
    assert "asked for these domains 201 (1 request) the decision, 200 an hour, over 2 hours" in page


def test_a_suffix_answers_those_below_it_but_for_what_narrower_rules_keep_closed(
    asked, desk, services, clock
):
    for address in ("ana@a.wide.example", "bea@shut.wide.example", "cleo@else.example"):
        asked.ask(address)
    shut = Rule(
        RuleKind.DOMAIN, "shut.wide.example", AccountClass.GUEST, GUESTS, requires_invite=True
    )
    wide = replace(shut, kind=RuleKind.SUFFIX, pattern="wide.example", homeserver=EDUCATION)
    wide = replace(wide, account_class=AccountClass.AGENT, requires_invite=False)
    for number, rule in enumerate((shut, wide), 1):
        with services.database.transaction() as session:
            change = changes.make(session, clock(), EMIL, title="wide", put=[rule])
            changes.order_check(session, clock(), EMIL, change)
        asked.work()
        if number == 1:
            asked.apply(1)
    page = words(desk.get("/admin/changes/C-2"))
    assert "asked for these domains 1 (1 request) the decision, within an hour" in page
    asked.apply(2)
    assert [asked.read(number).state for number in (2, 3, 4)] == ["opened", "open", "open"]
    page = words(desk.get("/admin/changes/C-2"))
    assert "asked for these domains 1 (1 request)" in page


def test_a_change_that_answers_nobody_says_so(asked, desk, services, clock):
    rule = Rule(
        RuleKind.DOMAIN, "asso-9.example", AccountClass.AGENT, EDUCATION, requires_invite=False
    )
    with services.database.transaction() as session:
        change = changes.make(session, clock(), EMIL, title="asso", put=[rule])
        changes.order_check(session, clock(), EMIL, change)
    asked.work()
    assert "asked for these domains 0 none" in words(desk.get("/admin/changes/C-1"))


def test_a_look_alike_is_typed_first(asked, desk):
    asked.ask(f"ana@{LOOK_ALIKE}")
    asked.work()
    refused = desk.post("/admin/requests/D-2/accept", homeserver=EDUCATION)
    assert refused.status_code == 400
    assert "cannot be told from ac-rouen.example" in words(refused)
    done = desk.post("/admin/requests/D-2/accept", homeserver=EDUCATION, typed=LOOK_ALIKE)
    assert "is being checked" in words(done)


def test_a_refusal_is_read_in_both_languages_before_it_leaves(asked, desk):
    assert desk.post("/admin/requests/D-1/refuse").status_code == 400
    typed = {"refusal": "other_domain", "note": "Utilisez <b>@ac-rouen.example</b>"}
    preview = desk.post("/admin/requests/D-1/refuse", **typed)
    shown = words(preview)
    assert "Cette organisation utilise un autre domaine." in shown
    assert "This organisation uses another domain." in shown
    assert "&lt;b&gt;" in preview.text
    assert "2 people will get this email" in shown
    assert asked.read().state == "open"
    done = desk.post("/admin/requests/D-1/refuse", confirm="1", for_a_year="1", **typed)
    assert "D-1 is refused" in words(done)
    assert (asked.read().state, asked.read().closed_until is None) == ("refused", False)


def test_a_question_a_delay_and_a_merger(asked, desk):
    assert "Question sent for D-1." in words(
        desk.post("/admin/requests/D-1/ask", question="Who runs it?")
    )
    assert desk.post("/admin/requests/D-1/ask", question=" ").status_code == 400
    assert "D-1 is put off." in words(desk.post("/admin/requests/D-1/later", days="30"))
    assert desk.post("/admin/requests/D-1/later", days="31").status_code == 400
    asked.ask("jean@acad.example")
    assert desk.post("/admin/requests/D-2/merge", into="x").status_code == 400
    assert "D-2 is merged" in words(desk.post("/admin/requests/D-2/merge", into="d-1"))
    assert "Decided together with D-1." in words(desk.get("/admin/requests/D-2"))


def test_two_operators_at_once_and_the_second_is_told_who_was_faster(asked, desk, sign_in, ines):
    other = sign_in(ines)
    other.get("/admin/requests/D-1")
    desk.post("/admin/requests/D-1/refuse", refusal="not_ready", confirm="1")
    late = other.post("/admin/requests/D-1/refuse", refusal="not_ours", confirm="1")
    assert "Emil already decided at" in words(late)
    assert "refused. Nothing was changed." in words(late)
    assert asked.read().refusal == Refusal.NOT_READY


def test_who_only_looks_decides_nothing(asked, sign_in, vera):
    viewer = sign_in(vera)
    page = viewer.get("/admin/requests/D-1")
    assert "Accept: prepare the change" not in words(page)
    for deed in ("accept", "refuse", "ask", "later", "merge", "reopen", "people", "evidence"):
        assert viewer.send(f"/admin/requests/D-1/{deed}", reason="ticket 1").status_code == 403
    assert asked.read().state == "open"


def test_outside_their_scope_nothing_is_found(asked, sign_in, make_operator):
    scope = Scope(homeservers=frozenset({GUESTS}))
    elsewhere = sign_in(make_operator("Eve", Role.EDITOR, scope=scope))
    assert NORMANDIE not in elsewhere.get("/admin/requests").text
    assert elsewhere.get("/admin/requests/D-1").status_code == 404
    assert elsewhere.send("/admin/requests/D-1/refuse", refusal="not_ours").status_code == 404
    near = Scope(homeservers=frozenset({EDUCATION}))
    inside = sign_in(make_operator("Ida", Role.EDITOR, scope=near))
    assert NORMANDIE in inside.get("/admin/requests").text
    refused = inside.post("/admin/requests/D-1/accept", homeserver=GUESTS)
    assert (refused.status_code, asked.read().state) == (400, "open")


def test_a_decision_is_taken_back_without_telling_anybody(asked, desk, postbox):
    asked.do(deciding.refuse, 1, refusal=Refusal.NOT_READY)
    asked.work()
    sent = len(postbox.sent)
    assert "Nobody is told." in words(desk.post("/admin/requests/D-1/reopen"))
    asked.work()
    assert (asked.read().state, len(postbox.sent)) == ("open", sent)


def test_forged_numbers_are_not_found(asked, desk):
    for number in ("99999999999999999999999", "4294967297"):
        assert desk.get(f"/admin/requests/D-{number}").status_code == 404
        assert desk.send(f"/admin/requests/D-{number}/evidence").status_code == 404
    done = desk.send("/admin/requests/D-1/accept", homeserver=EDUCATION, into_change="\u00b2")
    assert done.status_code == 303
    assert asked.read().state == "accepted"


def test_a_draft_outside_their_scope_takes_no_line(asked, sign_in, make_operator, services, clock):
    rule = Rule(
        RuleKind.DOMAIN, "asso-9.example", AccountClass.AGENT, GUESTS, requires_invite=False
    )
    with services.database.transaction() as session:
        changes.make(session, clock(), EMIL, title="asso", put=[rule])
    near = Scope(homeservers=frozenset({EDUCATION}))
    ida = sign_in(make_operator("Ida", Role.EDITOR, scope=near))
    ida.get("/admin/requests/D-1")
    ida.send("/admin/requests/D-1/accept", homeserver=EDUCATION, into_change="1")
    with services.database.reading() as session:
        assert change_models.find(session, 1).lines == 1
    assert asked.read().state == "open"


def test_a_proof_that_was_taken_away_is_said_to_be_gone(asked, desk, clock):
    asked.do(begin_proof, 1)
    asked.dns.add_zone(NORMANDIE)
    name = proofs.name_of(NORMANDIE)
    asked.dns.put(name, "TXT", f'"{asked.proof().value}"')
    asked.work()
    assert "no longer seen" not in words(desk.get("/admin/requests/D-1"))
    assert "DNS proof Mail as" in words(desk.get("/admin/requests"))
    clock.advance(minutes=5)
    asked.dns.put(name, "TXT")
    desk.post("/admin/requests/D-1/accept", homeserver=EDUCATION)
    asked.work()
    assert "DNS proof" not in words(desk.get("/admin/requests?state=accepted"))
    assert "no longer seen on Monday 1 March at" in words(desk.get("/admin/requests/D-1"))


def begin_proof(session, now, _who, request):
    proofs.begin(session, now, request)


def test_what_people_typed_shows_no_address_until_somebody_says_why(asked, desk):
    said = replace(WISH, organisation="Rectorat, max@it.example", position="<script>alert(1)")
    asked.ask(f"zoe@{NORMANDIE}", wish=said)
    page = desk.get("/admin/requests/D-1")
    assert ("max@it.example" in page.text, "<script>alert" in page.text) == (False, False)
    shown = desk.post("/admin/requests/D-1/people", reason="call them, ticket 4412")
    assert "max@it.example" in shown.text
