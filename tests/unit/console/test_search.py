"""One box finds everything by its shape, and no address comes into a URL."""

import pytest
from sqlalchemy import select

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.console import finding
from identity.console.finding import Kind
from identity.invitations.models import ThirdPartyInvitation
from identity.mail.models import Mail
from identity.operators.roles import ALL, Role, Scope
from identity.rule_changes import service as rule_changes
from identity.rule_changes.change_models import Change, ChangeTouch
from tests.worlds.console import *
from tests.worlds.one_person.filling import fill_every_story
from tests.worlds.one_person.names import CAMILLE, HERS, ROOM
from tests.worlds.services import EDUCATION, OPERATOR
from tests.worlds.visitors import heading, words


@pytest.fixture
def filled(services):
    fill_every_story(services)
    with services.database.transaction() as session:
        now = services.now()
        session.add(
            Change(
                number=142,
                title="x",
                origin="edit",
                state="draft",
                version=1,
                author="E",
                created_at=now,
                changed_at=now,
                base=0,
                counts={},
                promised={},
                reason="",
                why="",
                broken_glass_reason="",
            )
        )
        return session.query(Mail).first().id, session.query(ThirdPartyInvitation).first().id


def find(services, typed, scope=ALL):
    with services.database.reading() as session:
        return finding.find(session, typed, scope)


def test_each_shape_leads_to_its_screen(services, filled):
    mail, invitation = filled
    for typed, path in {
        "C-142": "/admin/changes/C-142",
        "c142": "/admin/changes/C-142",
        "D-173": "/admin/requests/D-173",
        str(mail): f"/admin/mails/{mail}",
        f"<{mail}@guichet.example>": f"/admin/mails/{mail}",
        str(invitation): f"/admin/invitations/{invitation}",
        ROOM: "/admin/invitations?room=%21room%3Aeducation.example",
        EDUCATION: f"/admin/homeservers/{EDUCATION}",
        "nowhere.example": "/admin/domains/nowhere.example",
        "@Nowhere.Example": "/admin/domains/nowhere.example",
        "Éducation-rouen.example": f"/admin/domains/{CAMILLE.ascii_domain}",
    }.items():
        found = find(services, typed)
        assert (typed, found.kind, found.path) == (typed, Kind.SCREEN, path)


def test_people_are_asked_about_and_stand_in_no_path(services, filled):
    for typed in (CAMILLE.display, CAMILLE.canonical, HERS):
        found = find(services, typed)
        assert (found.kind, found.path) == (Kind.PERSON, "")


@pytest.mark.parametrize(
    "typed",
    ["", "ab", "C-143", "9f8b8c6c-5a19-4613-a447-88cbe51d9e0e", "zzz", "%%%", "C-99999999999"],
)
def test_what_is_nowhere_is_nothing(services, filled, typed):
    assert find(services, typed).kind is Kind.NOTHING


def test_a_prefix_lists_rules_and_homeservers_within_the_scope(services, filled):
    found = find(services, "xn--du")
    assert [each.pattern for each in found.listed] == [CAMILLE.ascii_domain]
    elsewhere = Scope(homeservers=frozenset({"elsewhere.example"}))
    assert find(services, "xn--du", elsewhere).kind is Kind.NOTHING


@pytest.mark.parametrize("typed", ["Éducation nat", "éducation nat", "ÉDUCATION"])
def test_an_organisation_is_found_with_its_accents(services, filled, typed):
    rule = Rule(
        *(RuleKind.DOMAIN, "ac-lille.example", AccountClass.AGENT, EDUCATION),
        requires_invite=False,
        organisation="ÉDUCATION – Lille" if typed.isupper() else "Éducation nationale – Lille",
    )
    with services.database.transaction() as session:
        rule_changes.publish(
            session, services.now(), rule_changes.compare(session, put=[rule]), OPERATOR
        )
    assert "ac-lille.example" in [each.pattern for each in find(services, typed).listed]


def test_a_room_is_found_with_and_without_a_homeserver_but_is_no_address(services, filled):
    newer = "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"
    assert find(services, newer).path == f"/admin/invitations?room=%21{newer[1:]}"
    for typed in ("!gil@asso.example:x", "!gil@asso.example", "!", "!:", "!a b:c"):
        assert "/admin/invitations" not in find(services, typed).path


def test_a_homeserver_is_found_within_the_scope_alone(services, filled):
    elsewhere = Scope(homeservers=frozenset({"elsewhere.example"}))
    assert find(services, EDUCATION, elsewhere).path == f"/admin/domains/{EDUCATION}"
    assert find(services, EDUCATION.upper()).path == f"/admin/homeservers/{EDUCATION}"
    theirs = Scope(organisations=frozenset({"Éducation nationale – Rouen"}))
    assert find(services, EDUCATION, theirs).path == f"/admin/homeservers/{EDUCATION}"


def test_a_rule_of_one_address_is_not_listed(services, filled):
    rule = Rule(
        RuleKind.ADDRESS, "gil@asso.example", AccountClass.GUEST, EDUCATION, requires_invite=False
    )
    with services.database.transaction() as session:
        rule_changes.publish(
            session, services.now(), rule_changes.compare(session, put=[rule]), OPERATOR
        )
    assert find(services, "gil").kind is Kind.NOTHING


def test_an_address_asks_what_is_to_be_done_without_naming_it_in_a_link(
    sign_in, make_operator, vera, ada, services, filled
):
    support = sign_in(make_operator("Sami", Role.SUPPORT))
    support.get("/admin/")
    page = support.send("/admin/search", q=CAMILLE.canonical)
    assert (page.status_code, heading(page)) == (200, "Search")
    assert "Open a file" in words(page)
    assert f'href="{CAMILLE.canonical}' not in page.text
    opened = support.post("/admin/people/open", who=CAMILLE.canonical, reason="ticket 4412")
    assert heading(opened) == "A person’s file"
    for who, offered in ((vera, "Your role does not allow"), (ada, "See what erasing would do")):
        browser = sign_in(who)
        browser.get("/admin/")
        assert offered in words(browser.send("/admin/search", q=CAMILLE.canonical))


def test_shapes_are_told_when_nothing_is_found_and_a_reload_leads_home(sign_in, vera):
    browser = sign_in(vera)
    browser.get("/admin/")
    page = browser.send("/admin/search", q="zzz")
    assert "We look for: address, domain" in words(page)
    assert heading(browser.get("/admin/search")) == "What waits for you"


def test_what_belongs_to_others_is_as_what_does_not_exist(services, filled):
    elsewhere = Scope(homeservers=frozenset({"guests.example"}))
    with services.database.transaction() as session:
        change = session.scalars(select(Change)).one()
        session.add(ChangeTouch(change_id=change.id, homeserver=EDUCATION, organisation=""))
    for typed in ("C-142", *map(str, filled)):
        assert find(services, typed).kind is Kind.SCREEN, typed
        assert find(services, typed, elsewhere).kind is Kind.NOTHING, typed
    assert find(services, EDUCATION, elsewhere).path == f"/admin/domains/{EDUCATION}"
