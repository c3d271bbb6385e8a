"""`guichet ops` and `guichet token`, as an administrator of the machine types them."""

import json

import pytest
from sqlalchemy import select

from identity.core.clock import utc_now
from identity.core.journal import JournalEntry
from identity.mail.models import Mail
from identity.operators import models as operators, sessions
from tests.worlds.command_line import *

ADA, VERA = "ada.lang@ops.example", "vera@ops.example"


@pytest.fixture
def staff(federation):
    """With an admin and a viewer."""
    federation("ops", "add", ADA, "--role", "admin")
    federation("ops", "add", VERA, "--role", "viewer", "--homeserver", EDUCATION, "--name", "Vera")
    return federation


def templates(opened) -> list[tuple[str, str]]:
    with opened.reading() as session:
        found = session.scalars(select(Mail).order_by(Mail.created_at, Mail.address))
        return [(each.address, each.template) for each in found]


def actions(opened) -> list[str]:
    with opened.reading() as session:
        return session.scalars(select(JournalEntry.action).order_by(JournalEntry.number)).all()


def test_the_first_admin_is_made_by_the_shell_and_mailed_a_link(federation, opened):
    dry = federation.json("ops", "add", ADA, "--role", "admin", "--dry-run")
    assert dry["dry_run"]
    assert federation.json("ops", "list") == []
    made = federation.json("ops", "add", ADA, "--role", "admin")["operator"]
    assert (made["name"], made["mail"], made["roles"]) == ("Ada Lang", ADA, ["admin"])
    assert templates(opened) == [(ADA, "operator_invite")]
    assert actions(opened)[-1] == "operator.add"
    federation("ops", "add", ADA, "--role", "viewer", ends=1)
    federation("ops", "add", "nobody", "--role", "viewer", ends=1)
    federation("ops", "add", "b@ops.example", "--role", "king", ends=2)
    federation("ops", "add", "b@ops.example", ends=2)


def test_roles_are_set_and_the_last_admin_stays(staff):
    told = staff.json("ops", "set", "Vera", "--role", "editor", "--organisation", "Rouen")
    assert told["operator"]["roles"] == ["editor"]
    assert (told["operator"]["organisations"], told["operator"]["homeservers"]) == (["Rouen"], [])
    assert "last admin" in staff("ops", "set", ADA, "--role", "viewer", ends=1).output
    assert "last admin" in staff("ops", "disable", ADA, ends=1).output
    assert staff.json("ops", "disable", VERA)["operator"]["state"] == "disabled"
    assert staff.json("ops", "enable", VERA)["operator"]["state"] == "enabled"
    staff("ops", "disable", "nobody@ops.example", ends=1)


def test_help_for_an_operator_wants_a_reason_and_is_mailed_to_all_admins(staff, opened):
    staff("ops", "reset-factor", VERA, ends=2)
    why = ("--reason", "lost her telephone")
    staff("ops", "reset-factor", VERA, *why)
    assert templates(opened)[2:] == [(ADA, "operator_notice"), (VERA, "operator_notice")]
    assert staff.json("ops", "unlock", VERA, *why) == {"was_locked": False, "dry_run": False}
    assert "/admin/sign-in/once/" in staff("ops", "link", VERA, *why).output
    assert len(templates(opened)) == 6
    assert actions(opened)[-2:] == ["operator.reset_factor", "operator.link"]


def test_sessions_are_listed_and_ended(staff, opened):
    with opened.transaction() as session:
        vera = operators.find_by_name(session, "Vera")
        for device in ("Firefox", "Edge"):
            sessions.open_session(session, utc_now(), vera, device=device)
    first, _ = staff.json("ops", "sessions", VERA)
    assert staff.json("ops", "end-session", VERA, first["id"])["ended"] == 1
    staff("ops", "end-session", VERA, first["id"], ends=1)
    staff("ops", "end-session", VERA, ends=2)
    assert staff.json("ops", "end-session", VERA, "--all")["ended"] == 1
    assert staff.json("ops", "sessions", VERA) == []


def test_a_token_acts_for_an_operator_and_is_printed_once(staff, opened):
    made = staff.json("token", "add", "supervision", "--for", ADA, "--role", "viewer")
    assert made["token"].startswith("guichet_ops_")
    listed = staff("token", "list", "--json").stdout
    assert made["token"] not in listed
    [told] = json.loads(listed)
    assert (told["name"], told["operator"], told["state"]) == ("supervision", "Ada Lang", "good")
    staff("token", "add", "more", "--for", VERA, "--role", "admin", ends=1)
    assert staff.json("token", "end", "supervision")["ended"]
    assert not staff.json("token", "end", "supervision")["ended"]
    staff("token", "end", "none", ends=1)
    assert actions(opened)[-2:] == ["token.add", "token.end"]


def test_who_waits_since_a_restore_is_confirmed(staff, opened):
    with opened.transaction() as session:
        for each in operators.find_all(session):
            each.unconfirmed_at = each.created_at
    why = ("--reason", "the disk died")
    staff("ops", "confirm", *why, ends=2)
    assert staff.json("ops", "confirm", VERA, *why)["confirmed"] == ["Vera"]
    assert staff.json("ops", "confirm", "--all", *why)["confirmed"] == ["Ada Lang"]
    assert {each["state"] for each in staff.json("ops", "list")} == {"enabled"}


def test_doctor_says_who_is_missing(federation, opened):
    def told(**env):
        found = json.loads(federation("doctor", "--json", ends=1, env=env).stdout)
        return {each["what"]: each["told"] for each in found if each["state"] != "ok"}

    assert "console" not in told()  # whoever has the machine of a trial comes in
    federation("ops", "add", ADA, "--role", "approver", "--role", "admin")
    assert "console" not in told()
    assert "but 1 may approve" in told(GUICHET_APPROVALS="two")["approvals"]
    federation("token", "add", "soon", "--for", ADA, "--role", "viewer", "--days", "3")
    assert told()["tokens"].endswith("soon")
    with opened.transaction() as session:
        operators.find_by_mail(session, ADA).unconfirmed_at = utc_now()
    assert "1 operators wait since a restore" in told()["console"]


def test_an_invitation_is_sent_again_and_an_address_is_found_however_it_is_written(staff, opened):
    staff("ops", "add", "zoé@académie.example", "--role", "viewer", "--name", "Zoé", ends=1)
    staff("ops", "add", "zoe@académie.example", "--role", "viewer")
    told = staff.json("ops", "invite", "Zoe@Académie.EXAMPLE")["operator"]
    assert told["name"] == "Zoe"
    assert [template for _, template in templates(opened)[2:]] == ["operator_invite"] * 2
    assert actions(opened)[-1] == "operator.invite"
    staff("ops", "disable", "Zoe")
    staff("ops", "invite", "Zoe", ends=1)


def test_a_link_for_somebody_is_mailed_to_all_admins_and_so_wants_a_reason(staff, opened):
    staff("ops", "link", VERA, ends=2)
    assert len(templates(opened)) == 2
