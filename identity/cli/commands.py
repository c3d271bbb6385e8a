"""The root command `guichet` with the commands of all stories."""

import os
from pathlib import Path

import click

from identity.accounts.cli import session
from identity.bulk_invites.cli import send
from identity.command.outcomes import Guichet
from identity.domain_requests.cli import request
from identity.env_files import DEFAULT, VARIABLE
from identity.freezes.cli import freeze, thaw
from identity.health.cli.doctor import doctor
from identity.health.cli.homeserver_check import check
from identity.health.cli.processes import node
from identity.homeservers.cli.homeserver import homeserver
from identity.invitations.cli.invitation import invitation
from identity.invitations.cli.inviter import inviter
from identity.keys.cli.keys import keys
from identity.keys.cli.renewal import activate, init, retire, stage, status
from identity.mail.cli.mail import mail
from identity.operators.cli.ops import ops
from identity.operators.cli.token import token
from identity.people.cli.guest import guest
from identity.people.cli.person import person
from identity.restore.cli import backup, restore
from identity.routing.cli import address
from identity.rule_changes.cli.address_lists import never_agent, shared_mailbox
from identity.rule_changes.cli.change import change
from identity.rule_changes.cli.domain import domain
from identity.rule_changes.cli.journal import journal
from identity.synapse_api.cli import refusals
from identity.threepids.cli import pepper

from .config import config
from .db import db
from .serve import serve
from .web import web


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


@click.group(cls=Guichet, context_settings={"help_option_names": ["-h", "--help"]})
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


NOUNS = (
    *(address, backup, change, config, db, doctor, domain, freeze, guest, homeserver, invitation),
    *(
        inviter,
        journal,
        keys,
        mail,
        never_agent,
        node,
        ops,
        pepper,
        person,
        request,
        restore,
        serve,
    ),
    *(session, shared_mailbox, thaw, token, web),
)
for noun in NOUNS:
    guichet.add_command(noun)

invitation.add_command(send)
for verb in (check, refusals):
    homeserver.add_command(verb)
for verb in (init, stage, activate, retire, status):
    keys.add_command(verb)
