"""Every screen shows the same by command, and what it shows can be typed: each command exists and parses."""

import re
import shlex
from html import unescape

import click
import pytest

from identity.cli.commands import guichet
from identity.console.pages.frame import DEEDS
from identity.invitations.models import ThirdPartyInvitation
from identity.operators.roles import Role
from tests.worlds.console import *
from tests.worlds.console_screens import *
from tests.worlds.domain_askers import *

WITHOUT = {
    "menu": "a list of links to other screens",
    "stayed": "of the session of one browser",
    **dict.fromkeys(
        ("sign_in", "code", "mailed", "once", "invited", "second_factor", "enrol"),
        "for signing in, before anybody is an operator; /sign-in names `guichet ops link`",
    ),
    **dict.fromkeys(
        ("sso", "sso_back", "sso_refused", "sso_no_role", "sso_silent", "sso_confirm"),
        "for signing in by a provider, in a browser",
    ),
    **dict.fromkeys(("sso_out", "sso_left"), "for signing out of a provider, in a browser"),
    "kept_form": "a form that one browser had sent too late",
    "new_passkey": "the browser makes the passkey",
}
"""The screens that show no command, by route, and why there is none."""


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.fixture
def filled(tmp_path):
    """What stands in a command in capitals, as somebody might fill it in."""
    file = tmp_path / "file"
    file.write_text("x")
    return {
        "FILE": str(file),
        "ROLE": "viewer",
        "REVISION": "1",
        "C-N": "C-142",
        "SESSION": "0b9f2c1e-0000-4000-8000-000000000000",
        "USER_ID": "@ana:agents.example",
        "MAIL": "ada@ops.example",
        "URL": "https://matrix.example",
    }


def commands_on(page):
    """The commands of the closed note of a page."""
    notes = re.findall(r'<details class="by-command">(.*?)</details>', page, re.DOTALL)
    return [
        unescape(each)
        for note in notes
        for each in re.findall(r"<code[^>]*>(.*?)</code>", note, re.DOTALL)
    ]


def parse(command, filled):
    """Let click read it as it reads what is typed; raises UsageError for what it would refuse."""
    name, *words = shlex.split(command)
    assert name == "guichet", command
    guichet.load_all()
    found: click.Command = guichet
    context = click.Context(guichet, info_name="guichet")
    while isinstance(found, click.Group):
        name = words.pop(0)
        found = found.commands[name]
    return found.make_context(name, [filled.get(each, each) for each in words], parent=context)


def test_every_screen_shows_the_same_by_command_or_says_here_why_not(
    services, screens, sign_in, make_operator, filled
):
    ada = make_operator("Ada", Role.ADMIN, Role.APPROVER, Role.SUPPORT)
    paths = screens(ada)
    routes = {each.removeprefix("console.") for each, method in DEEDS if method == "GET"}
    assert routes - set(paths) - set(WITHOUT) == set(), "neither walked nor told why"
    assert set(WITHOUT) - routes == set(), "told why, and not there"
    browser = sign_in(ada)
    missing, wrong = [], []
    for name, path in paths.items():
        answer = browser.client.get(path, headers=browser.headers, follow_redirects=True)
        assert answer.status_code == 200, path
        shown = commands_on(answer.text)
        if bool(shown) == (name in WITHOUT):
            missing.append(name)
        for command in shown:
            try:
                parse(command, filled)
            except (click.UsageError, KeyError) as error:
                wrong.append(f"{name}: {command}: {error}")
    assert not missing, "a command is missing, or there is one that is told to be missing"
    assert not wrong, "\n".join(wrong)


def test_several_invitations_are_changed_by_one_command_each(
    services, screens, sign_in, make_operator, filled
):
    ada = make_operator("Ada", Role.ADMIN, Role.APPROVER, Role.SUPPORT)
    screens(ada)
    with services.database.reading() as session:
        ids = [str(each.id) for each in session.query(ThirdPartyInvitation).limit(2)]
    for deed in ("resend", "extend", "revoke", "deliver"):
        browser = sign_in(ada)
        browser.get("/admin/invitations")
        page = browser.send("/admin/invitations/several", id=ids, change=deed)
        shown = commands_on(page.text)
        assert sorted(each.split()[3] for each in shown) == sorted(ids)
        assert {parse(each, filled).command.name for each in shown} == {deed}


def test_a_name_that_a_shell_would_read_is_quoted(sign_in, make_operator, ada, filled):
    mallory = make_operator("$(reboot) \"'; reboot #", Role.VIEWER)
    shown = commands_on(sign_in(ada).get(f"/admin/access/{mallory.id}").text)
    assert {parse(each, filled).params["operator"] for each in shown} == {mallory.name}


def test_the_test_refuses_what_cannot_be_typed(filled):
    for wrong in (
        "guichet change new --title X",
        "guichet change show",
        "guichet request list --state nowhere",
        "guichet ops set Ada",
    ):
        with pytest.raises(click.UsageError):
            parse(wrong, filled)
    with pytest.raises(KeyError):
        parse("guichet homeserver explode agents.example", filled)
