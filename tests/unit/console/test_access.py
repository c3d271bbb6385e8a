"""Operators are looked after by admins, read by auditors, and by nobody else."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from identity.core.journal import JournalEntry
from identity.operators import models as operators, service as operating, tokens as api_tokens
from identity.operators.models import AdminToken, Operator
from identity.operators.roles import Scope
from identity.operators.service import Standing
from identity.problems import LastAdmin, OperatorExists
from tests.worlds.console import *
from tests.worlds.services import EDUCATION
from tests.worlds.visitors import heading, words

WHY = {"reason": "ticket 4412"}


@pytest.fixture
def admin(sign_in, ada):
    return sign_in(ada)


def found(services, operator):
    with services.database.reading() as session:
        return operators.find(session, operator.id)


def actions(services) -> list[str]:
    with services.database.reading() as session:
        return session.scalars(select(JournalEntry.action).order_by(JournalEntry.number)).all()


def test_admins_see_addresses_auditors_masked_ones_and_others_nothing(
    sign_in, admin, vera, ines, make_operator
):
    auditor = sign_in(make_operator("Otto", Role.AUDITOR))
    page = admin.get(f"/admin/access/{vera.id}")
    assert "vera@ops.example" in words(page)
    masked = auditor.get(f"/admin/access/{vera.id}")
    assert ("vera@ops.example" in masked.text, "v•••@ops.example" in masked.text) == (False, True)
    assert "<form" not in masked.text.partition("<main")[2].partition("</main>")[0]
    assert auditor.get("/admin/access/invite").status_code == 403
    assert auditor.get("/admin/access").status_code == 200
    for each in (vera, ines):
        assert sign_in(each).get("/admin/access").status_code == 403


def test_an_admin_invites_an_operator_with_a_scope(admin, services, mailbox):
    admin.get("/admin/access/invite")
    page = admin.post(
        "/admin/access/invite",
        email="Emil.K@ops.example",
        name="Emil K",
        roles=["editor", "support"],
        organisations=" Académie  de Rouen\r\n\r\nCaen ",
        homeservers=[EDUCATION],
        language="fr",
        **WHY,
    )
    assert heading(page) == "Emil K"
    with services.database.reading() as session:
        made = operators.find_by_mail(session, "emil.k@ops.example")
    assert made.scope == Scope(frozenset({"Académie de Rouen", "Caen"}), frozenset({EDUCATION}))
    assert (made.roles, made.created_by, made.language) == (["editor", "support"], "Ada", "fr")
    assert ("emil.k@ops.example", "operator_invite") in mailbox.deliver()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"email": "nobody"}, "address"),
        ({"email": "ada@ops.example"}, "An operator has this address"),
        ({"name": "a@b"}, "no @"),
        ({"roles": []}, "at least one role"),
        ({"roles": ["auditor", "admin"]}, "no other role"),
        ({"roles": ["king"]}, "no such role"),
        ({"roles": ["admin"], "homeservers": [EDUCATION]}, "no scope"),
        ({"homeservers": ["elsewhere.example"]}, "no registered homeserver"),
    ],
)
def test_what_cannot_be_given_is_said_at_the_form(admin, typed, said):
    admin.get("/admin/access/invite")
    whole = {"email": "emil@ops.example", "name": "Emil", "roles": ["editor"], **WHY}
    answer = admin.post("/admin/access/invite", **(whole | typed))
    assert answer.status_code == 400
    assert said in words(answer)


def test_without_a_reason_or_the_second_factor_nothing_is_done(
    admin, services, vera, ada, apps, clock
):
    apps.enrol(ada)
    clock.advance(minutes=11)
    admin.get(f"/admin/access/{vera.id}")
    asked = admin.post(f"/admin/access/{vera.id}/disable")
    assert heading(asked) == "Confirm"
    assert found(services, vera).disabled_at is None
    page = admin.post(f"/admin/access/{vera.id}/disable", second_factor=apps.code(ada), **WHY)
    assert "Vera can no longer come in." in words(page)
    assert found(services, vera).disabled_at is not None


def test_what_is_taken_from_an_operator_signs_them_out(admin, sign_in, ines):
    hers = sign_in(ines)
    admin.get(f"/admin/access/{ines.id}")
    admin.post(f"/admin/access/{ines.id}/roles", roles=["approver", "support"], **WHY)
    assert heading(hers.get("/admin/")) == "What waits for you"
    admin.post(f"/admin/access/{ines.id}/roles", roles=["editor"], **WHY)
    assert heading(hers.get("/admin/")) == "Sign in to the console"


def test_nobody_changes_resets_or_disables_themselves(admin, ada, services, make_operator):
    make_operator("Bea", Role.ADMIN)
    admin.get(f"/admin/access/{ada.id}")
    for deed, fields in (
        ("roles", {"roles": ["admin", "approver"]}),
        ("reset-factor", {}),
        ("disable", {}),
    ):
        answer = admin.post(f"/admin/access/{ada.id}/{deed}", **fields, **WHY)
        assert answer.status_code == 400
        assert "Another admin" in words(answer)
    assert found(services, ada).roles == ["admin"]


def test_the_last_admin_stays_by_the_screen_too(sign_in, admin, ada, make_operator, services):
    bea = sign_in(make_operator("Bea", Role.ADMIN))
    bea.get(f"/admin/access/{ada.id}")
    bea.post(f"/admin/access/{ada.id}/disable", **WHY)
    with services.database.reading() as session:
        other = operators.find_by_name(session, "Bea")
    answer = bea.post(f"/admin/access/{other.id}/disable", **WHY)
    assert answer.status_code == 400
    assert found(services, other).disabled_at is None


def test_help_for_who_cannot_get_in_is_mailed_to_all_admins(
    admin, services, vera, apps, mailbox, make_operator, clock
):
    make_operator("Bea", Role.ADMIN)
    apps.enrol(vera)
    with services.database.transaction() as session:
        operators.find(session, vera.id).locked_until = clock() + timedelta(minutes=15)
    admin.get(f"/admin/access/{vera.id}")
    admin.post(f"/admin/access/{vera.id}/unlock", **WHY)
    assert found(services, vera).locked_until is None
    told = {(f"{name}@ops.example", "operator_notice") for name in ("ada", "bea", "vera")}
    assert set(mailbox.deliver()) == told
    clock.advance(minutes=2)
    admin.post(f"/admin/access/{vera.id}/reset-factor", **WHY)
    assert set(mailbox.deliver()) == told
    assert "Reason: ticket 4412" in mailbox.text()
    assert actions(services)[-2:] == ["operator.unlock", "operator.reset_factor"]


def test_a_token_is_shown_once_and_ends_by_its_button(admin, services, clock):
    admin.get("/admin/access/tokens/new")
    page = admin.post(
        "/admin/access/tokens/new", name="supervision", roles=["viewer"], days="30", **WHY
    )
    token = re.search(r"guichet_ops_[\w-]+", page.text)[0]
    with services.database.reading() as session:
        row = session.scalars(select(AdminToken)).one()
        program = api_tokens.find_program(session, clock(), token)
    assert (program.operator, row.ends_at - row.created_at) == ("Ada", timedelta(days=30))
    assert token not in admin.get("/admin/access").text
    admin.post(f"/admin/access/tokens/{row.id}/end", **WHY)
    with services.database.reading() as session:
        assert api_tokens.find_program(session, clock(), token) is None


@pytest.mark.parametrize(
    "typed", [{"days": "366"}, {"days": "-1"}, {"days": "x"}, {"roles": ["approver"]}, {"name": ""}]
)
def test_a_token_lasts_a_year_at_most_and_may_no_more_than_its_maker(admin, services, typed):
    admin.get("/admin/access/tokens/new")
    whole = {"name": "supervision", "roles": ["viewer"], "days": "30", **WHY}
    assert admin.post("/admin/access/tokens/new", **(whole | typed)).status_code == 400
    with services.database.reading() as session:
        assert session.scalars(select(AdminToken)).all() == []


def test_my_sessions_end_one_by_one_and_all_others_at_once(sign_in, vera, services):
    first, second, third = sign_in(vera), sign_in(vera), sign_in(vera)
    page = first.get("/admin/me")
    ends = re.findall(r'action="(/admin/me/sessions/[0-9a-f-]+/end)"', page.text)
    assert len(ends) == 2
    first.post(ends[0])
    still = [heading(each.get("/admin/me")) == "My access" for each in (first, second, third)]
    assert sorted(still) == [False, True, True]
    assert still[0]
    first.get("/admin/me")
    first.post("/admin/me/sessions/end-others")
    still = [heading(each.get("/admin/me")) == "My access" for each in (first, second, third)]
    assert still == [True, False, False]


def test_nobody_ends_the_session_of_another(sign_in, vera, ines, services):
    hers, mine = sign_in(vera), sign_in(ines)
    with services.database.reading() as session:
        [theirs] = session.scalars(
            select(operators.OperatorSession.id).where(
                operators.OperatorSession.operator_id == vera.id
            )
        )
    mine.get("/admin/me")
    mine.post(f"/admin/me/sessions/{theirs}/end")
    assert heading(hers.get("/admin/me")) == "My access"


def test_new_recovery_codes_ask_the_app_again_and_end_the_earlier(sign_in, vera, apps, clock):
    before = apps.enrol(vera)
    hers = sign_in(vera)
    clock.advance(minutes=11)
    hers.get("/admin/me")
    assert heading(hers.post("/admin/me/recovery-codes")) == "Confirm"
    page = hers.post("/admin/me/recovery-codes", second_factor=apps.code(vera))
    assert heading(page) == "Your recovery codes"
    after = re.findall(r"<li>([a-z0-9-]{14})</li>", page.text)
    assert (len(after), set(after) & set(before)) == (10, set())


def test_my_language_is_that_of_my_screens(sign_in, vera):
    hers = sign_in(vera)
    hers.get("/admin/me")
    assert hers.post("/admin/me/language", language="fr").status_code == 200
    assert heading(hers.get("/admin/me")) == "Mon accès"
    assert hers.post("/admin/me/language", language="xx").status_code == 400


def test_the_screens_take_few_queries(admin, services, make_operator, count_queries):
    for number in range(30):
        make_operator(f"Nr {number}", Role.VIEWER)
    with count_queries() as counted:
        assert admin.get("/admin/access").status_code == 200
    assert counted() <= 8


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"roles": ["admin"], "homeservers": [EDUCATION]}, "no scope"),
        ({"homeservers": ["elsewhere.example"]}, "no registered homeserver"),
        ({"name": "ada@ops.example"}, "no @"),
        ({"name": "x" * 81}, "80 letters"),
        ({"name": "worker"}, "service itself"),
    ],
)
def test_a_token_is_given_what_an_operator_could_be_given(admin, services, typed, said):
    admin.get("/admin/access/tokens/new")
    whole = {"name": "supervision", "roles": ["viewer"], "days": "30", **WHY}
    answer = admin.post("/admin/access/tokens/new", **(whole | typed))
    assert (answer.status_code, said in words(answer)) == (400, True)
    with services.database.reading() as session:
        assert session.scalars(select(AdminToken)).all() == []


def test_who_waits_since_a_restore_does_not_count_as_the_other_admin(
    services, ada, make_operator, acts, clock
):
    bea = make_operator("Bea", Role.ADMIN)
    with services.database.transaction() as session:
        operators.find(session, bea.id).unconfirmed_at = clock()
    with pytest.raises(LastAdmin):
        acts(operating.disable, ada.id)
    with pytest.raises(LastAdmin):
        acts(operating.change, ada.id, Standing(frozenset({Role.VIEWER})))
    acts(operating.disable, bea.id)  # while nobody needs her
    assert found(services, ada).disabled_at is None


def test_two_who_add_the_same_at_once_are_told_so(services, clock, ada):
    """Both have looked before either has written: the database decides."""
    twin = Operator(mail="ada@ops.example", name="Twin", language="en", source="local")
    with pytest.raises(OperatorExists), services.database.transaction() as session:
        operating.add_known(session, clock(), SHELL, twin, Standing(frozenset({Role.VIEWER})))


def test_an_admin_invites_again_who_did_not_come_in_time(
    admin, services, vera, mailbox, browser, clock
):
    for _ in range(2):
        clock.advance(minutes=2)
        admin.get(f"/admin/access/{vera.id}")
        page = admin.post(f"/admin/access/{vera.id}/invite", **WHY)
        assert "Vera is invited" in words(page)
        assert ("vera@ops.example", "operator_invite") in mailbox.deliver()
    assert heading(browser.get(mailbox.link("operator_invite"))) == "You are invited to the console"
    assert actions(services)[-2:] == ["operator.invite"] * 2
    admin.get(f"/admin/access/{vera.id}")
    admin.post(f"/admin/access/{vera.id}/disable", **WHY)
    assert admin.post(f"/admin/access/{vera.id}/invite", **WHY).status_code == 400
