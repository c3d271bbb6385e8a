"""The commands, gathered."""

import click

from .address import address
from .address_lists import never_agent, shared_mailbox
from .config import config
from .db import db
from .doctor import doctor
from .domain import domain
from .endings import Guichet
from .homeserver import homeserver
from .invitation import invitation
from .invitation_lists import send
from .journal import journal
from .keys import keys
from .mail import mail
from .pepper import pepper
from .refusals import refusals
from .serve import serve
from .session import session


@click.group(cls=Guichet, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="matrix-guichet", prog_name="guichet")
def guichet() -> None:
    """The front desk of a federation of Matrix homeservers.

    Data goes to stdout, everything else to stderr; --json prints data for programs, and --dry-run shows
    what a command would write. NO_COLOR is heeded.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by policy, 5 partly done,
                6 something it needs does not answer.
    """  # noqa: D301  \b is click's: keep these lines


NOUNS = (
    *(address, config, db, doctor, domain, homeserver, invitation, journal, keys, mail),
    *(never_agent, pepper, serve, session, shared_mailbox),
)
for noun in NOUNS:
    guichet.add_command(noun)

invitation.add_command(send)
homeserver.add_command(refusals)
