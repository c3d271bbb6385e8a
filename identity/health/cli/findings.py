"""How commands print what was found."""

from collections.abc import Iterable

from identity.command.printing import print_json, print_table
from identity.core.findings import Finding

COLUMNS = ("what", "state", "told", "fix")


def print_findings(found: Iterable[Finding]) -> None:
    """As JSON if that is wanted, else a table: state, what, what is true of it, what mends it."""
    rows = list(found)
    if not print_json([{name: getattr(each, name) for name in COLUMNS} for each in rows]):
        print_table(
            ("", "what", "", "what mends it"),
            ((str(each.state), each.what, each.told, each.fix) for each in rows),
        )
