"""What this module can do, said to Guichet whenever the rules are asked for: its version, reports, and actions."""

from urllib.parse import urlencode

from .configuration import Parts
from .reports import Kind

VERSION = 2
ACTIONS = ("invite", "membership", "revoke", "room")
"""Of the desk: a path, and a method of it, for each."""


def query(parts: Parts) -> str:
    """As it stands behind `/rules?`. What a part does that is off is not declared."""
    return urlencode(
        {
            "version": VERSION,
            "reports": ",".join(kind.value for kind in Kind) if parts.binder else "",
            "actions": ",".join(ACTIONS) if parts.desk else "",
        },
        safe=",",
    )
