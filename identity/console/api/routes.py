"""All routes of `/api/admin/v1`: each module here adds its own to the blueprint when it is imported."""

from . import (
    access,
    changes,
    document,
    freezes,
    health,
    homeservers,
    imports,
    invitations,
    journal,
    mails,
    people,
    requests,
    rules,
    stops,
)
from .frame import blueprint

RESOURCES = (
    *(access, changes, document, freezes, health, homeservers, imports, invitations),
    *(journal, mails, people, requests, rules, stops),
)

__all__ = ("RESOURCES", "blueprint")
