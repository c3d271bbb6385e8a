"""Where the people of a homeserver open their Matrix client: links with what is known filled in."""

from identity.client_links import fill
from identity.settings import Settings

from .models import Homeserver


def client_link(
    homeserver: Homeserver | None,
    settings: Settings,
    *,
    user_id: str | None = None,
    room_id: str | None = None,
) -> str:
    """The URL of the web client of a homeserver; that of the settings if it has none, or is not known.

    `user_id` only where its person has just proved the address: on no page that anybody may open.
    """
    template = (homeserver and homeserver.client_url) or settings.client_url
    return _fill(template, homeserver, user_id, room_id)


def phone_link(
    homeserver: Homeserver | None,
    settings: Settings,
    *,
    user_id: str | None = None,
    room_id: str | None = None,
) -> str | None:
    """As `client_link`, for the client on a telephone; None if no link is set."""
    template = (homeserver and homeserver.phone_url) or settings.phone_url
    return template and _fill(template, homeserver, user_id, room_id)


def _fill(
    template: str, homeserver: Homeserver | None, user_id: str | None, room_id: str | None
) -> str:
    return fill(
        template,
        homeserver_url=homeserver.clients_url if homeserver else None,
        server_name=homeserver.name if homeserver else None,
        user_id=user_id,
        room_id=room_id,
    )
