"""What this module can do, said to Guichet whenever the rules are asked for: its version, reports, and actions.

Also how many of the rules it was told last it does not understand.
"""

from urllib.parse import urlencode

from domain_rules.wire_format import VERSION

from .configuration import Parts
from .reports import Kind

ACTIONS = ("invite", "membership", "revoke", "room")
"""Of the desk: a path, and a method of it, for each."""


def query(parts: Parts, *, skipped: int) -> str:
    """As it stands behind `/rules?`. What a part does that is off is not declared."""
    return urlencode(
        {
            "version": VERSION,
            "reports": ",".join(kind.value for kind in Kind) if parts.binder else "",
            "actions": ",".join(ACTIONS) if parts.desk else "",
            "skipped": skipped,
        },
        safe=",",
    )
