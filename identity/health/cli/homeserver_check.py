"""`guichet homeserver check`: what doctor asks of one homeserver."""

import click

from identity.command.opening import build_services_with_secrets
from identity.command.outcomes import Exit
from identity.command.printing import as_json
from identity.core.findings import State
from identity.health.checks.everything import check_homeserver
from identity.settings import read_settings

from .findings import print_findings


@click.command()
@click.argument("name")
@as_json
@click.pass_context
def check(context: click.Context, name: str) -> None:
    """Ask the homeserver NAME what `doctor` asks of it, now, and say how to fix what is wrong.

    The exit code is 1 if something failed. What only needs attention is not a failure. If it is
    held or suspended, nothing is asked there.

    \b
    JSON: as of `doctor`: [{"what", "state": "ok", "attention" or "failed", "told", "fix": text}]
    """  # noqa: D301  \b is click's: keep these lines
    services = build_services_with_secrets(read_settings())
    try:
        found = list(check_homeserver(services, name))
    finally:
        services.database.engine.dispose()
    print_findings(found)
    if any(each.state is State.FAILED for each in found):
        context.exit(Exit.FAILED)
