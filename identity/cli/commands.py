"""The root command `guichet` with the commands of all stories."""

import click

from identity.accounts.cli import session
from identity.bulk_invites.cli import send
from identity.command.outcomes import Guichet
from identity.health.cli.doctor import doctor
from identity.health.cli.processes import node
from identity.homeservers.cli import homeserver
from identity.invitations.cli.invitation import invitation
from identity.keys.cli import keys
from identity.mail.cli import mail
from identity.restore.cli import backup, restore
from identity.routing.cli import address
from identity.rule_changes.cli.address_lists import never_agent, shared_mailbox
from identity.rule_changes.cli.domain import domain
from identity.rule_changes.cli.journal import journal
from identity.synapse_api.cli import refusals
from identity.threepids.cli import pepper

from .config import config
from .db import db
from .serve import serve


@click.group(cls=Guichet, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="matrix-guichet", prog_name="guichet")
def guichet() -> None:
    """The front desk of a federation of Matrix homeservers.

    Data goes to stdout, everything else to stderr. Use --json to print data for programs, and
    --dry-run to see what a command would write. Set NO_COLOR to switch colours off.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by policy, 5 partly done,
                6 something it needs does not answer.
    """  # noqa: D301  \b is click's: keep these lines


NOUNS = (
    *(address, backup, config, db, doctor, domain, homeserver, invitation, journal, keys, mail),
    *(never_agent, node, pepper, restore, serve, session, shared_mailbox),
)
for noun in NOUNS:
    guichet.add_command(noun)

invitation.add_command(send)
homeserver.add_command(refusals)
