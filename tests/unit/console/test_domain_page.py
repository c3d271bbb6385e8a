"""The page of one domain: what looks like it, who asked for it, its shared mailboxes; what is stopped there."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain_rules.rule import AccountClass, RuleKind
from identity.core import journal
from identity.domain_requests import deciding, open_names
from identity.domain_requests.models import Refusal
from identity.freezes import models as freezes, service as freezing
from identity.freezes.models import Frozen
from identity.mail import pausing
from identity.operators.roles import Role, Scope
from identity.problems import DomainFrozen
from identity.rule_changes import service as rule_changes
from tests.worlds.admin_api import *
from tests.worlds.domain_askers import *
from tests.worlds.services import EDUCATION, GUESTS, agent
from tests.worlds.visitors import words

ROUEN = "ac-rouen.example"
PAGE = f"/admin/domains/{ROUEN}"
WHY = "ticket 4412"


@pytest.fixture
def publish(services, clock):
    def publish(*put):
        with services.database.transaction() as session:
            found = rule_changes.compare(session, put=put)
            rule_changes.publish(session, clock(), found, Actor("Olga", "here", WHY))

    return publish


@pytest.fixture
def stopped(services, clock):
    """What is frozen, and which pauses are in force, with their ends."""

    def stopped():
        with services.database.reading() as session:
            frozen = freezes.find_in_force(session, clock()).each
            paused = pausing.in_force(session, clock())
            return {each.key: each.until for each in frozen} | {
                pausing.name_of(each.kind, each.domain): each.until for each in paused
            }

    return stopped


def fact(page, name):
    """What stands beside this name on the page."""
    return words(page).partition(f" {name} ")[2]


def test_open_domains_that_look_like_it_are_named_with_how_alike_they_are(sign_in, vera, publish):
    publish(*(agent(name) for name in ("ac-r0uen.example", "acrouen.example", "ac-rouen.test")))
    publish(replace(agent("ac-rouem.example"), account_class=AccountClass.GUEST))
    page = sign_in(vera).get(PAGE)
    told = fact(page, "Names that are alike").partition(" Requests ")[0]
    assert [each.split(" (")[0] for each in told.split(" · ")] == [
        *("ac-r0uen.example", "acrouen.example", "ac-rouen.test"),
    ]
    assert 'href="/admin/domains/ac-r0uen.example"' in page.text
    alone = fact(sign_in(vera).get("/admin/domains/nothing.example"), "Names that are alike")
    assert alone.startswith("none ")


def test_what_is_alike_is_found_among_33000_names_and_anew_in_other_rules(services, clock):
    rules = services.rules.current()
    assert open_names.find_like("ac-rouem.example", rules)[0].domain == ROUEN
    many = type(rules).compile([agent(f"school-{number}.example") for number in range(33_000)])
    assert open_names.find_like("school-1234x.example", many)[0].domain == "school-1234.example"
    assert open_names.find_like("ac-rouem.example", many) == []
    assert open_names.looks_like("schoo1-7.example", many) == ["school-7.example"]


def test_requests_for_it_are_named_open_and_past_and_lead_to_their_page(
    office, sign_in, vera, make_operator
):
    office.ask()
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_OURS, note="", for_a_year=False)
    office.clock.advance(days=1)
    for address in (f"ana@{NORMANDIE}", f"zoe@{NORMANDIE}", "x@other.example"):
        office.ask(address)
    page = sign_in(vera).get(f"/admin/domains/{NORMANDIE}")
    told = fact(page, "Requests to open it").partition(" Shared ")[0]
    assert told.index("D-2 open, 2 people") < told.index("D-1 refused, 1 person")
    assert "D-3" not in told
    assert 'href="/admin/requests/D-2"' in page.text
    assert "ana@" not in page.text
    elsewhere = Scope(homeservers=frozenset({GUESTS}))
    narrow = sign_in(make_operator("Nora", Role.VIEWER, scope=elsewhere))
    hidden = fact(narrow.get(f"/admin/domains/{NORMANDIE}"), "Requests to open it")
    assert hidden.startswith("none ")


def test_shared_mailboxes_count_where_people_sign_up_unless_a_rule_names_them(
    sign_in, vera, publish
):
    own = replace(agent(ROUEN), kind=RuleKind.ADDRESS, pattern=f"presse@{ROUEN}")
    publish(own)
    told = fact(sign_in(vera).get(PAGE), "Shared mailboxes refused here")
    names = told.partition("names ")[2].split(" Suspend ")[0].split(", ")
    assert {"contact", "ce.0123456a", "service-*", "secretariat"} <= set(names)
    assert "presse" not in names
    closed = fact(sign_in(vera).get("/admin/domains/closed.example"), "Shared mailboxes refused")
    assert closed.startswith("here none ")


def test_a_domain_is_frozen_with_a_reason_given_another_end_and_thawed(
    services, clock, sign_in, ines, stopped
):
    browser = sign_in(ines)
    browser.get(PAGE)
    asked = browser.post(f"{PAGE}/freeze", hours="4")
    assert 'name="reason"' in asked.text
    page = browser.post(f"{PAGE}/freeze", hours="4", reason=WHY)
    assert browser.at == PAGE
    assert "Suspended by Ines since" in words(page)
    assert WHY in words(page)
    assert stopped() == {f"domain:{ROUEN}": clock() + timedelta(hours=4)}
    with services.database.reading() as session:
        address = EmailAddress.parse(f"a@{ROUEN}")
        with pytest.raises(DomainFrozen):
            freezing.check_sign_up(session, clock(), address)
        row = journal.find_recent(session, limit=1)[0]
    assert (row.action, row.subject, row.reason) == ("freeze.begin", f"domain:{ROUEN}", WHY)
    sooner = browser.post(f"{PAGE}/freeze", hours="1", reason=WHY)
    assert "stopped for longer already" in words(sooner)
    browser.post(f"{PAGE}/freeze", hours="24", reason=WHY)
    assert stopped() == {f"domain:{ROUEN}": clock() + timedelta(hours=24)}
    page = browser.post(f"{PAGE}/thaw", reason=WHY)
    assert stopped() == {}
    assert "The suspension is lifted." in words(page)
    assert "Nothing like this was stopped." in words(browser.post(f"{PAGE}/thaw", reason=WHY))


def test_a_freeze_above_is_told_and_is_lifted_where_it_was_made(
    sign_in, ines, acts, clock, stopped
):
    acts(freezing.freeze, Frozen.DOMAIN, domain="example", until=clock() + timedelta(hours=1))
    page = sign_in(ines).get(PAGE)
    assert "What is suspended is a domain above it: @example" in words(page)
    assert "/thaw" not in page.text
    assert "/freeze" not in page.text
    sign_in(ines).post(f"{PAGE}/thaw", reason=WHY)
    assert list(stopped()) == ["domain:example"]


def test_its_own_freeze_is_told_and_lifted_first_also_below_another(
    sign_in, ines, acts, clock, stopped
):
    until = clock() + timedelta(hours=1)
    for name in ("rouen.example", "zz.rouen.example", "aa.rouen.example"):
        acts(freezing.freeze, Frozen.DOMAIN, domain=name, until=until)
    for name in ("zz.rouen.example", "aa.rouen.example"):
        browser = sign_in(ines)
        page = browser.get(f"/admin/domains/{name}")
        assert "What is suspended is a domain above it" not in words(page)
        page = browser.post(f"/admin/domains/{name}/thaw", reason=WHY)
        assert "What is suspended is a domain above it: @rouen.example" in words(page)
    assert list(stopped()) == ["domain:rouen.example"]


def test_its_mails_are_kept_back_and_let_go(clock, sign_in, ines, stopped):
    browser = sign_in(ines)
    browser.get(PAGE)
    page = browser.post(f"{PAGE}/pause-mail", hours="12", reason=WHY)
    assert "Paused. 0 wait." in words(page)
    assert f"to {ROUEN}, by Ines since" in words(page)
    assert stopped() == {f"mails to {ROUEN}": clock() + timedelta(hours=12)}
    assert "/pause-mail" in page.text
    page = browser.post(f"{PAGE}/resume-mail", reason=WHY)
    assert stopped() == {}
    again = browser.post(f"{PAGE}/resume-mail", reason=WHY)
    assert "Nothing was paused." in words(again)


def test_of_two_who_thaw_at_once_the_second_is_told(sign_in, ines, make_operator, stopped):
    first = sign_in(ines)
    second = sign_in(make_operator("Ivo", Role.APPROVER))
    for browser in (first, second):
        browser.get(PAGE)
    first.post(f"{PAGE}/freeze", hours="4", reason=WHY)
    first.post(f"{PAGE}/thaw", reason=WHY)
    assert "Nothing like this was stopped." in words(second.post(f"{PAGE}/thaw", reason=WHY))
    assert stopped() == {}


def test_who_may_not_stop_it_is_offered_nothing(sign_in, vera, make_operator, publish, stopped):
    publish(replace(agent("asso.example"), homeserver=GUESTS, organisation="Guests"))
    page = sign_in(vera).get(PAGE)
    assert ("/freeze" in page.text, "/pause-mail" in page.text) == (False, False)
    elsewhere = Scope(homeservers=frozenset({EDUCATION}))
    narrow = sign_in(make_operator("Nora", Role.APPROVER, scope=elsewhere))
    own = narrow.get(PAGE)
    assert ("/freeze" in own.text, "/pause-mail" in own.text) == (True, True)
    without_rule = narrow.get("/admin/domains/closed.example")
    assert ("/freeze" in without_rule.text, "/pause-mail" in without_rule.text) == (False, False)
    for name in ("asso.example", "closed.example", "Ac-Rouen.example", "no%20domain"):
        for deed in ("freeze", "thaw", "pause-mail", "resume-mail"):
            path = f"/admin/domains/{name}/{deed}"
            assert narrow.send(path, hours="4", reason=WHY).status_code == 404, path
    assert stopped() == {}


def test_a_domain_above_those_of_others_is_suspended_by_who_looks_after_all_of_them(
    sign_in, ines, make_operator, program, publish, stopped, clock
):
    publish(replace(agent("far.ac-rouen.example"), homeserver=GUESTS, organisation="Guests"))
    own = Scope(homeservers=frozenset({EDUCATION}))
    narrow = sign_in(make_operator("Nora", Role.APPROVER, scope=own))
    page = narrow.get(PAGE)
    assert ("/freeze" in page.text, "/pause-mail" in page.text) == (False, True)
    assert "Domains below it belong to others" in words(page)
    assert narrow.send(f"{PAGE}/freeze", hours="4", reason=WHY).status_code == 404
    by_name = {"what": "domain", "name": ROUEN, "hours": "4", "reason": WHY}
    assert narrow.send("/admin/incidents", **by_name).status_code == 404
    until = (clock() + timedelta(hours=4)).isoformat()
    asked = {"what": "domain", "domain": ROUEN, "until": until, "reason": WHY}
    assert program(Role.APPROVER, scope=own).post("/freezes", asked).status_code == 403
    assert stopped() == {}
    sign_in(ines).post(f"{PAGE}/freeze", hours="4", reason=WHY)
    page = narrow.get(PAGE)
    assert "Suspended by Ines" in words(page)
    assert "/thaw" not in page.text
    assert narrow.send(f"{PAGE}/thaw", reason=WHY).status_code == 404
    assert list(stopped()) == [f"domain:{ROUEN}"]
    narrow.post(f"{PAGE}/pause-mail", hours="4", reason=WHY)
    assert f"mails to {ROUEN}" in stopped()


def test_a_sibling_belongs_to_who_looks_after_the_domain_that_it_names(
    sign_in, make_operator, program, publish, stopped
):
    publish(replace(agent("old.example"), homeserver=None, sibling_of=ROUEN, organisation=""))
    own = Scope(homeservers=frozenset({EDUCATION}))
    narrow = sign_in(make_operator("Nora", Role.APPROVER, scope=own))
    for listed in (PAGE, "/admin/domains"):
        assert 'href="/admin/domains/old.example"' in narrow.get(listed).text
    found = narrow.send("/admin/search", q="old.")
    assert 'href="/admin/domains/old.example"' in found.text
    page = narrow.get("/admin/domains/old.example")
    assert (page.status_code, "/freeze" in page.text) == (200, True)
    narrow.post("/admin/domains/old.example/freeze", hours="4", reason=WHY)
    assert (narrow.at, list(stopped())) == ("/admin/domains/old.example", ["domain:old.example"])
    assert program(Role.VIEWER, scope=own).get("/domains/old.example").status_code == 200
    elsewhere = Scope(homeservers=frozenset({GUESTS}))
    far = sign_in(make_operator("Gus", Role.APPROVER, scope=elsewhere))
    assert far.get("/admin/domains/old.example").status_code == 404
    assert "old.example" not in far.get("/admin/domains").text
    assert program(Role.VIEWER, scope=elsewhere).get("/domains/old.example").status_code == 404


def test_a_program_is_told_the_same(office, program, acts, clock, publish):
    publish(agent("ac-r0uen.example"))
    office.ask("ana@closed.example")
    acts(pausing.pause, kind="invite", domain=ROUEN, until=clock() + timedelta(hours=1))
    viewer = program(Role.VIEWER)
    told = viewer.get(f"/domains/{ROUEN}").json
    assert told["look_alikes"] == [{"domain": "ac-r0uen.example", "likeness": "looks"}]
    assert [(each["kind"], each["domain"]) for each in told["mail_pauses"]] == [("invite", ROUEN)]
    assert "contact" in told["shared_mailboxes"]
    (asked,) = viewer.get("/domains/closed.example").json["requests"]
    assert (asked["request"], asked["state"], asked["people"]) == ("D-1", "open", 1)
