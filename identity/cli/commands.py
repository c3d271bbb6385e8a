"""The root command `guichet` with the commands of all stories."""

import os
from pathlib import Path

import click

from identity.env_files import DEFAULT, VARIABLE

from .lazy import Later, LazyGroup

COMMANDS = {
    "address": Later(
        "identity.routing.cli:address", "What the rules say of one address.", all_tables=False
    ),
    "backup": Later(
        "identity.restore.cli:backup", "See whether a backup would bring everything back."
    ),
    "change": Later(
        "identity.rule_changes.cli.change:change",
        "Changes of rules: draft, check, proposal, approval by another person, application.",
    ),
    "config": Later(
        "identity.cli.config:config", "Check and show the settings (GUICHET_*).", all_tables=False
    ),
    "db": Later(
        "identity.cli.db:db",
        "Upgrade the database to the schema of this version, or go back to the one before.",
    ),
    "doctor": Later(
        "identity.health.cli.doctor:doctor",
        "Check everything Guichet depends on, and say how to fix what is wrong.",
    ),
    "domain": Later(
        "identity.rule_changes.cli.domain:domain",
        "Rules: exact address > exact domain > longest suffix > default.",
    ),
    "freeze": Later(
        "identity.freezes.cli:freeze",
        "Stop sign-ups, invitations, mails, one domain or the console, on every node, until you `thaw` them.",
    ),
    "guest": Later(
        "identity.people.cli.guest:guest", "Guests: who they are, and when their access ends."
    ),
    "homeserver": Later(
        "identity.homeservers.cli.homeserver:homeserver",
        "Manage the homeservers of the federation.",
        verbs=("identity.health.cli.homeserver_check:check", "identity.synapse_api.cli:refusals"),
    ),
    "invitation": Later(
        "identity.invitations.cli.invitation:invitation",
        "Invitations by address: what became of them, and what can still be done.",
        verbs=("identity.bulk_invites.cli:send",),
    ),
    "inviter": Later(
        "identity.invitations.cli.inviter:inviter",
        "People who invite by mail: block them, and let them invite again.",
    ),
    "journal": Later(
        "identity.rule_changes.cli.journal:journal", "Changes: who, when, from where, what, why."
    ),
    "keys": Later(
        "identity.keys.cli.keys:keys",
        "Manage signing keys: the newest one signs.",
        verbs=(
            "identity.keys.cli.renewal:init",
            "identity.keys.cli.renewal:stage",
            "identity.keys.cli.renewal:activate",
            "identity.keys.cli.renewal:retire",
            "identity.keys.cli.renewal:status",
        ),
    ),
    "mail": Later(
        "identity.mail.cli.mail:mail", "Mails: what was asked for, and what became of it."
    ),
    "never-agent": Later(
        "identity.rule_changes.cli.address_lists:never_agent",
        "Domains anybody can have an address at: no rule opens them to agents by accident.",
    ),
    "node": Later(
        "identity.health.cli.processes:node", "See the processes of Guichet on all machines."
    ),
    "ops": Later(
        "identity.operators.cli.ops:ops",
        "The operators of the console: who they are, and how they come in.",
    ),
    "pepper": Later(
        "identity.threepids.cli:pepper", "The pepper with which addresses are hashed for lookups."
    ),
    "person": Later(
        "identity.people.cli.person:person",
        "One person: what is known of them, and what they may ask for.",
    ),
    "request": Later(
        "identity.domain_requests.cli:request",
        "The requests of people for their domains: what speaks for them, and decisions.",
    ),
    "restore": Later(
        "identity.restore.cli:restore",
        "Bring Guichet back after a backup of its database was loaded.",
    ),
    "serve": Later(
        "identity.cli.serve:serve",
        "Run everything on this machine: web, worker and scheduler, until Ctrl-C.",
    ),
    "session": Later("identity.accounts.cli:session", "Where people are signed in here."),
    "shared-mailbox": Later(
        "identity.rule_changes.cli.address_lists:shared_mailbox",
        "Mailboxes several people read: whoever types one is asked for an address of their own.",
    ),
    "thaw": Later(
        "identity.freezes.cli:thaw", "Let what was frozen go on; what waited leaves in its order."
    ),
    "token": Later(
        "identity.operators.cli.token:token",
        "API tokens: each belongs to an operator, and may never do more than they may.",
    ),
    "web": Later(
        "identity.cli.web:web",
        "Serve the public site, or what homeservers ask, until a signal.",
        all_tables=False,
    ),
}
"""Every command: where it is, and its first sentence."""


def _use_env_file(context: click.Context, _option: click.Parameter, file: Path | None) -> None:
    """Name the file in the environment, so that processes this command starts read it, too."""
    if file is None:
        return
    before = os.environ.get(VARIABLE)

    def restore() -> None:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before

    os.environ[VARIABLE] = str(file.absolute())
    context.call_on_close(restore)


@click.group(
    cls=LazyGroup,
    commands=dict(COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--env-file",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_use_env_file,
    help=f"File with the settings, instead of {DEFAULT}; $GUICHET_ENV_FILE does the same.",
)
@click.version_option(package_name="matrix-guichet", prog_name="guichet")
def guichet() -> None:
    """The front desk of a federation of Matrix homeservers.

    Data goes to stdout, everything else to stderr. Use --json to print data for programs, and
    --dry-run to see what a command would write. Set NO_COLOR to switch colours off.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by policy,
                4 needs another person's approval, 5 partly done,
                6 something it needs does not answer.
    """  # noqa: D301  \b is click's: keep these lines
