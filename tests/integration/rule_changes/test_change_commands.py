"""`guichet change`: from a draft to the rules in force, by commands and the worker."""

import json

import pytest

from identity.mail.models import Mail
from identity.operators import service as operating
from identity.operators.roles import Role
from identity.operators.service import Standing
from identity.rule_changes.change_models import ChangeState
from identity.services import build_worker_services
from identity.settings import read_settings
from identity.threepids import associations
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS
from tests.worlds.operators import SHELL
from workers import tasks

ROUEN, ASSO = "ac-rouen.example", "asso.example"
TO_EDUCATION = ("--homeserver", EDUCATION)
TWO = {"GUICHET_APPROVALS": "two"}


@pytest.fixture
def work(federation):
    """The worker does what is due."""

    def work() -> None:
        settings = read_settings(_env_file=None, data_dir=federation.folder)
        services = build_worker_services(settings)
        try:
            for lane in ("bulk", "normal"):
                tasks.run_lane(services, lane)
        finally:
            services.database.engine.dispose()

    return work


@pytest.fixture
def people(federation, opened, clock):
    with opened.transaction() as session:
        for number in range(2):
            address, user_id = f"gil{number}@{ASSO}", f"@g{number}:{GUESTS}"
            associations.bind(session, clock(), address=address, user_id=user_id)


@pytest.fixture
def approvers(federation, opened, clock):
    """Two of them, so that another person has to approve."""
    with opened.transaction() as session:
        for name in ("Ines", "Ivo"):
            operating.add(
                session,
                clock(),
                SHELL,
                mail=f"{name.lower()}@ops.example",
                name=name,
                language="en",
                standing=Standing(frozenset({Role.APPROVER})),
            )


def revision(run) -> int:
    return run.json("domain", "list")["revision"]


def test_a_draft_is_edited_checked_and_applied_by_commands(federation, people, work):
    run = federation
    made = run.json("change", "new", "Open two domains", "--reason", "ticket 7")
    assert (made["id"], made["state"], made["reason"]) == ("C-1", "draft", "ticket 7")
    run("change", "add", "C-1", ASSO, *TO_EDUCATION)
    run("change", "add", "C-1", ROUEN, *TO_EDUCATION)
    run("change", "add", "C-1", "b.example", *TO_EDUCATION)
    assert run.json("change", "remove", "C-1", "b.example", "--drop")["lines"] == 2
    run("change", "check", "C-1")
    work()
    found = run.json("change", "show", "C-1")
    assert found["state"] == ChangeState.CHECKED
    assert (found["check"]["counts"]["change_homeserver"], found["to_type"]) == (2, "2")
    assert [line["sign"] for line in found["lines_shown"]] == ["+", "+"]
    assert {(each["effect"], each["domain"], each["addresses"]) for each in found["effects"]} == {
        (effect, ASSO, 2) for effect in ("become_agents", "change_homeserver", "gain_access")
    }
    before = revision(run)
    assert "Type 2" in run("change", "apply", "C-1", ends=1).stderr
    run("change", "apply", "C-1", "--type", "2")
    work()
    shown = run("change", "show", "C-1").stdout
    assert "applied" in shown
    assert "2  accounts that change homeserver" in shown
    assert "Look-alikes: 0; rules of which narrower ones take a part: 0" in shown
    assert revision(run) == before + 1
    assert "applied\t2" in run("change", "list", "--state", "applied").stdout


def test_a_dry_run_of_a_change_writes_nothing(federation):
    run = federation
    run("change", "new", "Nothing yet", "--dry-run")
    assert run.json("change", "list") == []
    run("change", "new", "One")
    run("change", "add", "C-1", ROUEN, *TO_EDUCATION, "--dry-run")
    run("change", "abandon", "C-1", "--dry-run")
    (found,) = run.json("change", "list")
    assert (found["lines"], found["state"]) == (0, "draft")


def test_where_two_are_needed_a_command_proposes_and_ends_with_4(federation, people, approvers):
    run, before = federation, revision(federation)
    opened = run("domain", "add", ASSO, *TO_EDUCATION, ends=4, env=TWO)
    assert "C-1 made and checked: 2 guests become agents, 0 lose access." in opened.stderr
    assert "/admin/changes/C-1" in opened.stderr
    told = run("domain", "add", ROUEN, *TO_EDUCATION, "--json", ends=4, env=TWO)
    shown = json.loads(told.stdout)
    assert (shown["change"], shown["needs_approval"], shown["revision"]) == ("C-2", True, before)
    assert [each["state"] for each in run.json("change", "list")] == ["proposed", "proposed"]
    assert revision(run) == before
    refused = run("change", "apply", "C-2", ends=4, env=TWO)
    assert "another person" in refused.stderr


def test_a_command_breaks_the_glass_and_every_approver_is_told(federation, approvers, opened):
    run, before = federation, revision(federation)
    add = ("domain", "add", ROUEN, *TO_EDUCATION)
    short = run(*add, "--break-glass", "it burns", ends=1, env=TWO)
    assert "20 characters" in short.stderr
    assert run.json("change", "list") == []
    run(*add, "--break-glass", "the minister cannot sign up", env=TWO)
    assert revision(run) == before + 1
    (found,) = run.json("change", "list")
    assert (found["state"], found["waits_for_review"]) == ("applied", True)
    with opened.reading() as session:
        told = sorted((mail.template, mail.address) for mail in session.query(Mail))
    mailboxes = ("ines@ops.example", "ivo@ops.example")
    assert told == [("change_notice", mailbox) for mailbox in mailboxes]


def test_one_approver_is_not_enough_to_ask_for_two(federation):
    federation("domain", "add", ROUEN, *TO_EDUCATION, env=TWO)
    assert federation.json("change", "list")[0]["state"] == "applied"


def test_what_is_exported_and_imported_into_a_change_is_no_change(federation):
    run = federation
    run("domain", "add", ROUEN, *TO_EDUCATION, "--note", "as of the letter: of 3 March")
    run("domain", "add", "sante.example", *TO_EDUCATION, "--suffix", "--organisation", "Santé")
    for name in ("rules.yaml", "rules.csv"):
        file = str(run.folder / name)
        run("domain", "export", "--output", file)
        run("change", "new", name)
        label = run.json("change", "list")[0]["id"]
        made = run.json("change", "import", label, file, "--exactly")
        assert (made["lines"], made["refused"]) == (0, [])


def test_a_file_becomes_the_lines_that_differ_and_refused_lines_are_told(federation):
    run = federation
    run("domain", "add", ROUEN, *TO_EDUCATION)
    run("change", "new", "The list of March")
    file = run.file("list.txt", f"{ROUEN}\nnew.example\ngmail.com\n")
    told = json.loads(run("change", "import", "C-2", file, *TO_EDUCATION, "--json", ends=3).stdout)
    assert (told["lines"], [each["text"] for each in told["refused"]]) == (1, ["gmail.com"])
    assert told["refused"][0]["by_policy"]
    exactly = ("--exactly", "--json")
    partly = run("change", "import", "C-2", file, *TO_EDUCATION, *exactly, ends=3)
    assert "so no rule is taken away" in partly.stderr
    assert json.loads(partly.stdout)["lines"] == 1
    whole = run.file("whole.txt", f"{ROUEN}\nnew.example\n")
    told = json.loads(run("change", "import", "C-2", whole, *TO_EDUCATION, *exactly).stdout)
    assert told["lines"] == 2  # and the default goes
    signs = [line["sign"] for line in run.json("change", "show", "C-2")["lines_shown"]]
    assert signs == ["+", "-"]


def test_an_applied_change_is_rolled_back_and_what_others_changed_stays(federation, work):
    run = federation
    file = run.file("list.txt", f"{ROUEN}\n{ASSO}\n")
    run("domain", "import", file, *TO_EDUCATION)
    run("domain", "add", ASSO, *TO_EDUCATION, "--note", "checked since")
    back = run("change", "rollback", "C-1", "--reason", "wrong list")
    assert f"domain:{ASSO} was changed since, and stays as it is." in back.stderr
    run("change", "check", "C-3")
    work()
    run("change", "apply", "C-3")
    work()
    rules = {rule["pattern"] for rule in run.json("domain", "list")["rules"]}
    assert (ROUEN in rules, ASSO in rules) == (False, True)
    assert run.json("change", "show", "C-1")["state"] == "rolled_back"


def test_an_address_is_explained_as_if_a_change_were_applied(federation):
    run = federation
    run("change", "new", "Open")
    run("change", "add", "C-1", ROUEN, *TO_EDUCATION)
    ana = ("address", "explain", f"ana@{ROUEN}")
    assert run.json(*ana)["decision"]["reason"] == "invite_required"
    assert run.json(*ana, "--as-of", "C-1")["decision"]["reason"] == "open"
    assert "no change C-9" in run(*ana, "--as-of", "C-9", ends=1).stderr
    run(*ana, "--as-of", "C-1", "--revision", "1", ends=2)
    run("change", "show", "X-1", ends=2)
    assert ROUEN in run("domain", "export", "--as-of", "C-1").stdout
    assert ROUEN not in run("domain", "export", "--revision", "1").stdout
    run("domain", "export", "--as-of", "C-1", "--revision", "1", ends=2)
    assert "no revision 9" in run("domain", "export", "--revision", "9", ends=1).stderr


def test_a_file_of_which_no_line_can_be_taken_leaves_the_draft_as_it_is(federation):
    run = federation
    run("change", "new", "Open")
    run("change", "add", "C-1", ROUEN, *TO_EDUCATION)
    run("change", "propose", "C-1", ends=1)
    content = "kind,pattern,homeserver\ndomain,b.example,educatoin.example\n"
    refused = run("change", "import", "C-1", run.file("x.csv", content), "--exactly", ends=1)
    assert "close to it: education.example" in refused.stderr
    assert run.json("change", "show", "C-1")["lines"] == 1


def test_free_mail_is_not_drafted_unless_that_is_said(federation):
    run = federation
    run("change", "new", "Open")
    refused = run("change", "add", "C-1", "gmail.com", *TO_EDUCATION, ends=1)
    assert "free mail" in refused.stderr
    assert run.json("change", "add", "C-1", "gmail.com", *TO_EDUCATION, "--allow-public")["lines"]
