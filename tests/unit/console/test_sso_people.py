"""Whom the OpenID provider vouches for: which operator it is, with which roles, after which factors."""

import pytest
from sqlalchemy import select, update

from identity.operators import models as operators, service as operating
from identity.operators.models import OperatorSession, Source
from tests.worlds.sso import *
from tests.worlds.visitors import heading


def test_a_role_that_was_taken_away_is_gone_with_the_next_sign_in(
    keycloak, open_browser, ana, operator_named, journal
):
    browser, desk = open_browser(keycloak), open_browser(keycloak)
    assert heading(browser.sign_in()) == HOME
    ana.claims["groups"] = ["staff"]
    page = desk.sign_in()
    assert (page.status_code, heading(page)) == (403, "No role here")
    assert operator_named("Ana Martin").roles == []
    assert heading(browser.get("/admin/")) == "Sign in to the console"  # the other session ended
    assert [subject for subject, _ in journal("operator.refuse")] == ["Ana Martin"]
    assert len(journal("operator.change")) == 1
    ana.claims["groups"] = ["ops-view"]
    assert heading(desk.sign_in()) == HOME
    back = operator_named("Ana Martin")
    assert (back.roles, back.homeservers) == (["viewer"], [])


def test_the_same_role_again_changes_nothing(keycloak, open_browser, ana, operator_named, journal):
    desk = open_browser(keycloak)
    assert heading(open_browser(keycloak).sign_in()) == HOME
    assert heading(desk.sign_in()) == HOME
    assert journal("operator.change") == []
    assert operator_named("Ana Martin").version == 1


def test_who_has_no_role_does_not_get_in_and_is_not_made(
    keycloak, open_browser, ana, operator_named
):
    del ana.claims["groups"]
    assert heading(open_browser(keycloak).sign_in()) == "No role here"
    assert operator_named("Ana Martin") is None


def test_the_last_admin_keeps_the_role_and_does_not_get_in(
    keycloak, open_browser, ana, operator_named, journal
):
    ana.claims["groups"] = ["ops-admin"]
    assert heading(open_browser(keycloak).sign_in()) == HOME
    ana.claims["groups"] = []
    assert heading(open_browser(keycloak).sign_in()) == "No role here"
    assert operator_named("Ana Martin").roles == ["admin"]
    assert '"last_admin"' in journal("operator.refuse")[0][1]


def test_an_invitation_is_joined_by_its_address_once(
    with_sso, open_browser, provider, ines, invite, operator_named
):
    services = with_sso()  # roles are given here
    provider.people["ana"].claims["email"] = "Ines@OPS.example"
    assert heading(open_browser(services).sign_in()) == "No role here"  # no open invitation
    invite(ines)
    assert heading(open_browser(services).sign_in()) == HOME
    known = operator_named("Ines")
    assert (known.subject, known.source, known.roles) == (
        "sub-of-ana",
        Source.LOCAL,
        ["approver"],
    )
    provider.people["ana"].claims["email"] = "another@ops.example"
    assert heading(open_browser(services).sign_in()) == HOME  # known by the subject


def test_an_address_that_is_not_verified_joins_nothing(
    with_sso, open_browser, provider, ines, invite, operator_named
):
    invite(ines)
    provider.people["ana"].claims |= {"email": "ines@ops.example", "email_verified": False}
    assert heading(open_browser(with_sso()).sign_in()) == "No role here"
    assert operator_named("Ines").subject is None


def test_where_the_provider_tells_roles_the_mailbox_alone_lets_nobody_in(
    keycloak, open_browser, provider, ines, invite, ana, operator_named
):
    assert operator_named("Ines").signs_in_by_mail
    invite(ines)
    ana.claims |= {"email": "ines@ops.example", "groups": ["ops-view"]}
    assert heading(open_browser(keycloak).sign_in()) == HOME
    joined = operator_named("Ines")
    assert (joined.roles, joined.subject) == (["viewer"], "sub-of-ana")
    assert not joined.signs_in_by_mail


def test_roles_that_have_nothing_in_common_let_nobody_in(
    with_sso, open_browser, ana, journal, operator_named
):
    services = with_sso(
        sso_role_claim="groups",
        sso_roles="a=viewer@education.example,b=approver@guests.example,c=viewer@guests.example,d=admin,e=auditor",
    )
    browser = open_browser(services)
    for groups in (["a", "b"], ["d", "e"], ["b", "d"]):
        ana.claims["groups"] = groups
        assert heading(browser.sign_in()) == "No role here", groups
    assert len(journal("operator.refuse")) == 3
    ana.claims["groups"] = ["a", "c"]
    assert heading(browser.sign_in()) == HOME
    assert operator_named("Ana Martin").homeservers == ["education.example", "guests.example"]
    ana.claims["groups"] = ["a", "b", "c"]
    assert heading(browser.sign_in()) == HOME
    both = operator_named("Ana Martin")
    assert (both.roles, both.homeservers) == (["approver", "viewer"], ["guests.example"])


def test_a_role_for_a_homeserver_that_is_not_registered_lets_nobody_in(
    with_sso, open_browser, ana, journal, operator_named
):
    services = with_sso(sso_role_claim="groups", sso_roles="ops-appr=approver@nowhere.example")
    assert heading(open_browser(services).sign_in()) == "No role here"
    assert '"scope"' in journal("operator.refuse")[0][1]
    assert operator_named("Ana Martin") is None


def test_nobody_takes_an_operator_over_by_address_or_name(
    keycloak, open_browser, provider, ines, ana, operator_named
):
    ana.claims |= {"email": "ines@ops.example", "name": "Ines"}
    assert heading(open_browser(keycloak).sign_in()) == HOME
    assert operator_named("Ines").subject is None
    newcomer = operator_named("Ines 2")
    assert (newcomer.subject, newcomer.mail) == ("sub-of-ana", None)


def test_who_is_disabled_here_stays_out(with_sso, open_browser, provider, ines, invite, acts):
    services = with_sso()
    invite(ines)
    provider.people["ana"].claims["email"] = "ines@ops.example"
    browser = open_browser(services)
    assert heading(browser.sign_in()) == HOME
    acts(operating.disable, ines.id)
    assert heading(browser.sign_in()) == "No role here"


def test_the_same_subject_of_another_issuer_is_somebody_else(
    keycloak, open_browser, ana, operator_named
):
    assert heading(open_browser(keycloak).sign_in()) == HOME
    with keycloak.database.transaction() as session:
        session.execute(update(operators.Operator).values(issuer="https://former.example"))
    assert heading(open_browser(keycloak).sign_in()) == HOME
    assert operator_named("Ana Martin").issuer == "https://former.example"
    assert operator_named("Ana Martin 2").subject == "sub-of-ana"


@pytest.mark.parametrize(
    ("amr", "acr", "title"),
    [
        (["mfa"], None, HOME),
        (["pwd", "otp"], None, HOME),
        (["pwd"], "eidas2", HOME),
        (["pwd"], "eidas1", "Add your authenticator app"),
        (["otp"], None, "Add your authenticator app"),
        (None, None, "Add your authenticator app"),
    ],
)
def test_without_a_second_factor_at_the_provider_the_app_is_asked(
    with_sso, open_browser, ana, amr, acr, title
):
    ana.amr, ana.acr = amr, acr
    services = with_sso(sso_role_claim="groups", sso_roles=ROLES, sso_acr="eidas2 eidas3")
    assert heading(open_browser(services).sign_in()) == title


def test_the_screen_that_was_asked_for_follows(keycloak, open_browser, ana):
    browser = open_browser(keycloak)
    assert heading(browser.get("/admin/me")) == "Sign in to the console"
    page = browser.sign_in()
    assert (browser.at, page.status_code) == ("/admin/me", 200)


def test_a_sign_in_of_long_ago_is_asked_again_before_what_matters(
    keycloak, open_browser, provider, ana, clock
):
    provider.signed_in_at = clock().timestamp() - 5000
    browser = open_browser(keycloak)
    assert heading(browser.sign_in()) == HOME
    with keycloak.database.reading() as session:
        proved_at = session.scalars(select(OperatorSession.proved_at)).one()
    assert (clock() - proved_at).total_seconds() == 5000


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ("Keycloak", "Keycloak 2"),
        ("GUICHET", "GUICHET 2"),
        ("wοrker", "wοrker 2"),  # with a Greek letter
        ("Emіl", "Emіl 2"),  # with a Cyrillic one
    ],
)
def test_nobody_takes_the_name_by_which_the_journal_knows_another(
    keycloak, open_browser, ana, emil, operator_named, told, named
):
    ana.claims["name"] = told
    assert heading(open_browser(keycloak).sign_in()) == HOME
    assert operator_named(named).subject == "sub-of-ana"


@pytest.mark.parametrize("subject", ["a\0b", "a\ud800b", "x" * 256])
def test_a_subject_that_cannot_be_stored_is_refused(keycloak, open_browser, ana, subject):
    ana.subject = subject
    assert heading(open_browser(keycloak).sign_in()) == REFUSED
