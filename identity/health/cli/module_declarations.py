"""What a homeserver's module says of itself, against what this Guichet tells it."""

from collections.abc import Iterator

from domain_rules.wire_format import VERSION
from identity.command.findings import Finding, State
from identity.homeservers.module_models import HomeserverModule

UPGRADE = "upgrade the module there to the version of this Guichet (docs/synapse.md)"


def check_module(module: HomeserverModule | None, name: str) -> Iterator[Finding]:
    """Nothing of a homeserver whose module was never heard, and nothing of one as new as we are."""
    if module is None:
        return
    if module.skipped:
        told = f"its module does not understand {module.skipped} of the rules in force"
        yield Finding(name, State.ATTENTION, told, UPGRADE)
    elif module.version < VERSION:
        yield Finding(name, State.ATTENTION, "its module is of an older version", UPGRADE)
