"""`onbind`: a homeserver is told that one of its users has an address, and which rooms it was invited to."""

from typing import Any

from identity.core.http_client import Away, JsonClient

from .admin_client import Refused

OK, NOT_FOUND, NOT_ALLOWED, TOO_MANY = 200, 404, 405, 429
CLIENT_ERROR = 4
# What a proxy says when it could not hand the request on.
NOT_HANDED_ON = {502, 503}
SECONDS = 30.0  # the homeserver asks the room's own, and that one asks us for our keys
PATH = "/_matrix/federation/v1/3pid/onbind"


class Unsure(Exception):
    """Nobody knows whether the homeserver did what it was told."""


def tell(talk: JsonClient, association: dict[str, Any]) -> None:
    """Returns once the homeserver has invited its user.

    Raises Away (it did not: try again), Refused (it will not), Unsure. The specification says PUT,
    Synapse has POST alone; no X-Matrix, or Synapse looks for our keys as for a homeserver's.
    """
    try:
        answer = talk.call("POST", PATH, body=association)
        if answer.status in {NOT_FOUND, NOT_ALLOWED} and answer.errcode == "M_UNRECOGNIZED":
            answer = talk.call("PUT", PATH, body=association)
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
    """By whatever answered in the place of the homeserver."""
    return status is not None and (status in NOT_HANDED_ON or status // 100 == CLIENT_ERROR)
