"""`guichet doctor`: checks everything Guichet depends on, and says how to fix what is wrong."""

from collections.abc import Iterator

import click

from identity.command import listening
from identity.command.opening import build_services_with_secrets
from identity.command.outcomes import Exit
from identity.command.printing import as_json
from identity.core.findings import Finding, State
from identity.health.checks.everything import check_all
from identity.settings import read_settings
from identity.settings_findings import described_database, unknown_variables, where_from

from .findings import print_findings


@click.command()
@as_json
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check everything Guichet depends on, and say how to fix what is wrong.

    The exit code is 1 if something failed. What only needs attention is not a failure.

    \b
    JSON: [{"what", "state": "ok", "attention" or "failed", "told", "fix": text}]
    """  # noqa: D301  \b is click's: keep these lines
    found = list(_look())
    print_findings(found)
    if any(each.state is State.FAILED for each in found):
        context.exit(Exit.FAILED)


def _look() -> Iterator[Finding]:
    unknown = ", ".join(unknown_variables())
    if unknown:
        fix = "correct the name or take it out; guichet config check"
        yield Finding("settings", State.ATTENTION, f"unknown: {unknown}", fix)
    services = build_services_with_secrets(read_settings())
    told = f"from {where_from()}; the database is {described_database(services.settings)}"
    yield Finding("settings", State.OK, told)
    try:
        yield from check_all(services)
        yield from listening.check_listeners(services.settings)
    finally:
        services.database.engine.dispose()
