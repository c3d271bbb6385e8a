"""Tells Guichet, with each request for rules, what this module can do.

It names the version of the wire format, the kinds of reports, the room actions, and how many of the
rules received last were not understood.
"""

from urllib.parse import urlencode

from domain_rules.wire_format import VERSION

from .configuration import Parts
from .reports import ReportKind

ACTIONS = ("invite", "membership", "revoke", "room")
"""The room actions: each has a path, and a method of `room_actions.RoomActions`."""


def declaration_query(parts: Parts, *, skipped: int) -> str:
    """The query string of `/rules`. What a part does that is off is not declared."""
    return urlencode(
        {
            "version": VERSION,
            "reports": ",".join(kind.value for kind in ReportKind) if parts.binder else "",
            "actions": ",".join(ACTIONS) if parts.desk else "",
            "skipped": skipped,
        },
        safe=",",
    )
