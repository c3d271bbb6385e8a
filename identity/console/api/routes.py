"""All routes of `/api/admin/v1`: each module here adds its own to the blueprint when it is imported."""

from . import access, document, freezes, homeservers, invitations, journal, mails
from .frame import blueprint

RESOURCES = (access, document, freezes, homeservers, invitations, journal, mails)

__all__ = ("RESOURCES", "blueprint")
