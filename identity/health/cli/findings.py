"""How commands print what was found."""

from collections.abc import Iterable

from identity.command.printing import print_table
from identity.core.findings import Finding


def print_findings(found: Iterable[Finding]) -> None:
    """A table: state, what, what is true of it, what mends it."""
    print_table(
        ("", "what", "", "what mends it"),
        ((str(each.state), each.what, each.told, each.fix) for each in found),
    )
