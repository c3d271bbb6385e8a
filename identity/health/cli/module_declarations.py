"""Checks of `guichet doctor` for the version that our module in a homeserver declares."""

from collections.abc import Iterator

from domain_rules.wire_format import VERSION
from identity.command.findings import Finding, State
from identity.homeservers.module_models import HomeserverModule

UPGRADE = "upgrade the module there to the version of this Guichet (docs/synapse.md)"


def check_module(module: HomeserverModule | None, name: str) -> Iterator[Finding]:
    """Report a module that is older than this Guichet or does not understand all rules."""
    if module is None:
        return
    if module.skipped:
        told = f"its module does not understand {module.skipped} of the rules in force"
        yield Finding(name, State.ATTENTION, told, UPGRADE)
    elif module.version < VERSION:
        yield Finding(name, State.ATTENTION, "its module is of an older version", UPGRADE)
