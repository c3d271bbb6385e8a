"""Calls `PUT /_matrix/federation/v1/3pid/onbind` (Matrix federation API).

It tells a homeserver that one of its users has an email address, and to which rooms this address
was invited, so that the homeserver invites the user.
"""

from typing import Any

from identity.core.http_client import Away, JsonClient

from .admin_client import Refused

OK, NOT_FOUND, NOT_ALLOWED, TOO_MANY = 200, 404, 405, 429
CLIENT_ERROR = 4
# Statuses of a proxy that could not pass the request on.
NOT_HANDED_ON = {502, 503}
SECONDS = 30.0  # the homeserver asks the one of the room, which asks us for keys
PATH = "/_matrix/federation/v1/3pid/onbind"


class Unsure(Exception):
    """It is unknown whether the homeserver processed the call."""


def send_onbind(client: JsonClient, association: dict[str, Any]) -> None:
    """Send the call; return once the homeserver has invited its user.

    Raises Away (not processed: try again), Refused (for good) or Unsure. The specification says
    PUT, Synapse accepts only POST. The request is not signed with X-Matrix: Synapse would fetch
    our keys as if we were a homeserver.
    """
    try:
        answer = client.call("POST", PATH, body=association)
        if answer.status in {NOT_FOUND, NOT_ALLOWED} and answer.errcode == "M_UNRECOGNIZED":
            answer = client.call("PUT", PATH, body=association)
    except Away as away:
        if away.status == OK:
            return
        if away.sent and not _was_refused(away.status):
            raise Unsure(str(away)) from None
        raise
    if answer.status == OK:
        return
    if answer.status == TOO_MANY:
        raise Away("M_LIMIT_EXCEEDED", sent=True, status=answer.status)
    raise Refused(f"{answer.status} {answer.errcode}")


def _was_refused(status: int | None) -> bool:
    """Whether this status shows that the homeserver did not get or process the request."""
    return status is not None and (status in NOT_HANDED_ON or status // 100 == CLIENT_ERROR)
