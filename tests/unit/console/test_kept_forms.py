"""What was typed when the session had ended is kept for the same operator, sealed, for an hour."""

import re

import pytest
from sqlalchemy import select

from identity.operators import kept_forms, models as operators, service as operating, sessions
from identity.operators.kept_forms import Form, KeptForm
from tests.worlds.console import *
from tests.worlds.visitors import heading, words

TYPED = {"email": "emil@ops.example", "name": "Emil K", "roles": "editor", "reason": "ticket 4412"}


@pytest.fixture
def sent_late(sign_in, ada, apps, clock):
    """Ada's browser: she sent the form of an invitation an hour after she had opened it."""
    apps.enrol(ada)
    hers = sign_in(ada)
    hers.get("/admin/access/invite")
    clock.advance(minutes=61)
    answer = hers.send("/admin/access/invite", second_factor="123456", **TYPED)
    assert answer.location == "/admin/sign-in"
    return hers


def come_back(browser, services, clock, operator, apps):
    with services.database.transaction() as session:
        token = sessions.open_session(session, clock(), operators.find(session, operator.id))
    browser.client.set_cookie("guichet-ops", token)
    browser.get("/admin/sign-in/second")
    return browser.post("/admin/sign-in/second", second_factor=apps.code(operator))


def test_it_is_shown_after_signing_in_and_done_when_sent(sent_late, services, clock, ada, apps):
    page = come_back(sent_late, services, clock, ada, apps)
    assert heading(page) == "What you typed was kept"
    for value in TYPED.values():
        assert value in words(page)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    assert "second_factor" not in fields
    answer = sent_late.send("/admin/access/invite", **fields)
    assert answer.status_code == 303
    with services.database.reading() as session:
        assert operators.find_by_name(session, "Emil K").mail == "emil@ops.example"
        assert session.scalars(select(KeptForm)).all() == []
    assert sent_late.get(sent_late.at).status_code == 404


def test_nobody_else_sees_it_and_it_stands_nowhere_in_clear(
    sent_late, services, clock, ada, make_operator, sign_in
):
    bea = make_operator("Bea", Role.ADMIN)
    with services.database.reading() as session:
        [kept] = session.scalars(select(KeptForm))
    assert kept.operator_id == ada.id
    assert "emil" not in kept.sealed
    assert sign_in(bea).get(f"/admin/kept/{kept.id}").status_code == 404
    hers = sign_in(ada)
    assert hers.get(f"/admin/kept/{kept.id}").status_code == 200
    clock.advance(minutes=60)
    assert sign_in(ada).get(f"/admin/kept/{kept.id}").status_code == 404


def test_it_can_be_thrown_away(sent_late, services, clock, ada, apps):
    come_back(sent_late, services, clock, ada, apps)
    page = sent_late.post(sent_late.at + "/discard")
    assert "What was kept is deleted." in words(page)
    with services.database.reading() as session:
        assert session.scalars(select(KeptForm)).all() == []


def test_of_a_session_that_never_was_or_was_ended_or_of_who_is_disabled_nothing_is_kept(
    services, clock, ada, make_operator, acts
):
    make_operator("Bea", Role.ADMIN)
    form = Form("/admin/me/language", (("language", "fr"),))
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        token, left = (
            sessions.open_session(session, clock(), found, proved=True) for _ in range(2)
        )
        halfway = sessions.open_session(session, clock(), found)
        sessions.end_by_token(session, clock(), left)
        for other in ("unknown", left, halfway):
            assert not kept_forms.keep(session, services.vault, clock(), other, form)
        assert kept_forms.keep(session, services.vault, clock(), token, form)
    acts(operating.disable, ada.id)
    with services.database.transaction() as session:
        assert not kept_forms.keep(session, services.vault, clock(), token, form)


def test_five_are_kept_and_none_that_is_huge(services, clock, ada):
    with services.database.transaction() as session:
        found = operators.find(session, ada.id)
        token = sessions.open_session(session, clock(), found, proved=True)
        for number in range(7):
            form = Form("/admin/me/language", (("n", str(number)),))
            kept_forms.keep(session, services.vault, clock(), token, form)
            clock.advance(seconds=1)
        huge = Form("/admin/me/language", (("n", "x" * kept_forms.MAX_LENGTH),))
        assert not kept_forms.keep(session, services.vault, clock(), token, huge)
        ids = session.scalars(select(KeptForm.id).order_by(KeptForm.made_at)).all()
        read = [
            kept_forms.read(session, services.vault, clock(), each, ada.id).fields[0][1]
            for each in ids
        ]
    assert read == ["2", "3", "4", "5", "6"]


def test_staying_moves_the_idle_end_and_leads_nowhere_else(sign_in, ada, clock):
    hers = sign_in(ada)
    hers.get("/admin/me")
    clock.advance(minutes=50)
    page = hers.post("/admin/stay")
    assert "You stay signed in until" in words(page)
    clock.advance(minutes=50)
    assert heading(hers.get("/admin/me")) == "My access"


def test_a_form_sent_by_who_never_signed_in_is_not_kept(browser, services):
    browser.get("/admin/sign-in")
    assert browser.send("/admin/me/language", language="fr").location == "/admin/sign-in"
    with services.database.reading() as session:
        assert session.scalars(select(KeptForm)).all() == []


def test_a_button_pressed_too_late_is_not_offered_again(sign_in, services, clock, ada):
    hers = sign_in(ada)
    hers.get("/admin/")
    clock.advance(minutes=61)
    assert hers.send("/admin/sign-out").location == "/admin/sign-in"
    with services.database.reading() as session:
        assert session.scalars(select(KeptForm)).all() == []


def test_on_one_machine_the_form_is_shown_after_the_link(browser, clock, local, link_for):
    browser.get(first := link_for(local))
    browser.post(first)
    browser.get("/admin/access/invite")
    clock.advance(minutes=61)
    assert browser.send("/admin/access/invite", **TYPED).location == "/admin/sign-in"
    browser.get(second := link_for(local))
    assert heading(browser.post(second)) == "What you typed was kept"
