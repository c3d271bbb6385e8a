"""Every command that changes something is known, and leaves a row in the journal."""

from collections.abc import Iterator

import click
import pytest

from identity.cli.commands import guichet

guichet.load_all()

JOURNALED = {
    "change abandon": "change.abandon",
    "change add": "change.edit",
    "change apply": "change.apply",
    "change check": "change.check",
    "change import": "change.import",
    "change new": "change.make",
    "change propose": "change.propose",
    "change remove": "change.edit",
    "change return": "change.return",
    "change rollback": "change.make",
    "change schedule": "change.schedule",
    "db downgrade": "db.downgrade",
    "db upgrade": "db.upgrade",
    "domain add": "rules.publish",
    "domain import": "rules.publish",
    "domain remove": "rules.publish",
    "domain rollback": "rules.publish",
    "freeze all": "freeze.begin",
    "freeze console": "freeze.begin",
    "freeze domain": "freeze.begin",
    "freeze invitations": "freeze.begin",
    "freeze mails": "freeze.begin",
    "freeze sign-ups": "freeze.begin",
    "guest end": "guest.end",
    "guest extend": "guest.extend",
    "homeserver add": "homeserver.add",
    "homeserver hold": "homeserver.hold",
    "homeserver reinstate": "homeserver.reinstate",
    "homeserver release": "homeserver.release",
    "homeserver remove": "homeserver.remove",
    "homeserver resume": "homeserver.resume",
    "homeserver retire": "homeserver.retire",
    "homeserver rotate-credential": "homeserver.credential",
    "homeserver set": "homeserver.set",
    "homeserver suspend": "homeserver.suspend",
    "invitation deliver": "invitation.deliver",
    "invitation extend": "invitation.extend",
    "invitation resend": "invitation.resend",
    "invitation revoke": "invitation.revoke",
    "invitation send": "invitation.send",
    "inviter block": "inviter.block",
    "inviter unblock": "inviter.unblock",
    "keys activate": "keys.activate",
    "keys import": "keys.import",
    "keys reseal": "keys.reseal",
    "keys retire": "keys.retire",
    "keys rotate": "keys.rotate",
    "keys stage": "keys.stage",
    "mail allow": "mail.allow",
    "mail cancel": "mail.cancel",
    "mail pause": "mail.pause",
    "mail resume": "mail.resume",
    "mail retry": "mail.retry",
    "never-agent add": "never_agent.change",
    "never-agent remove": "never_agent.change",
    "ops add": "operator.add",
    "ops confirm": "operator.confirm",
    "ops disable": "operator.disable",
    "ops enable": "operator.enable",
    "ops end-session": "operator.end_sessions",
    "ops invite": "operator.invite",
    "ops link": "operator.link",
    "ops reset-factor": "operator.reset_factor",
    "ops set": "operator.change",
    "ops unlock": "operator.unlock",
    "pepper rotate": "pepper.rotate",
    "person adopt": "person.adopt",
    "person erase": "person.erase",
    "request accept": "request.accept",
    "request ask": "request.ask",
    "request later": "request.put_off",
    "request merge": "request.merge",
    "request refuse": "request.refuse",
    "request reopen": "request.reopen",
    "restore begin": "restore.begin",
    "restore dismiss": "restore.dismiss",
    "restore resume": "restore.resume",
    "session end": "session.end",
    "shared-mailbox add": "shared_mailbox.change",
    "shared-mailbox remove": "shared_mailbox.change",
    "thaw all": "freeze.end",
    "thaw console": "freeze.end",
    "thaw domain": "freeze.end",
    "thaw invitations": "freeze.end",
    "thaw mails": "freeze.end",
    "thaw sign-ups": "freeze.end",
    "token add": "token.add",
    "token end": "token.end",
}
"""The action of the row. Tests of the commands show that it is written."""
WITHOUT_A_ROW = {
    "backup check": "looks",
    "config check": "reads settings",
    "config show": "reads settings",
    "doctor": "looks",
    "homeserver check": "looks",
    "journal list": "looks",
    "journal verify": "looks",
    "keys init": "writes files, before there is a database",
    "keys pair": "writes a file, before there is a database",
    "keys status": "looks",
    "mail bounce": "no operator: a mail server's pipe",
    "mail paused": "looks",
    "restore lost": "looks",
    "ops sessions": "looks",
    "restore plan": "looks",
    "serve": "starts processes",
    "web": "starts processes",
}
LOOKING = {"list", "show", "why", "diff", "history", "export", "explain", "refusals", "current"}


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        path = f"{before} {name}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, path)
        else:
            yield path, command


def test_every_command_is_known_to_look_or_to_be_journaled():
    found = {path for path, _ in commands(guichet)}
    looking = {path for path in found if path.rpartition(" ")[2] in LOOKING}
    unknown = found - looking - JOURNALED.keys() - WITHOUT_A_ROW.keys()
    assert not unknown, "say in the tables above what becomes of it in the journal"
    assert not (JOURNALED.keys() | WITHOUT_A_ROW.keys()) - found, "no such command any more"


@pytest.mark.parametrize("path", sorted(JOURNALED))
def test_who_changes_something_says_why_and_in_whose_name(path):
    command = dict(commands(guichet))[path]
    options = {option for each in command.params for option in each.opts}
    assert {"--reason", "--author"} <= options
    if path != "invitation send":  # it shows everything first, and asks
        assert "--dry-run" in options
    if path != "db upgrade":  # it only names the version
        assert "--json" in options
