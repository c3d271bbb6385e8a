"""/api/homeserver/v1/predecessors: whose place in a direct chat of two an account may take.

The module asks this before it refuses somebody. The answer holds only accounts named in the
request, so that nobody can list who changed accounts.
"""

from flask import Blueprint, Response, jsonify

from identity.accounts import successions
from identity.problems import TooMuchAtOnce
from identity.web.guards import module_in_homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

MAX_ACCOUNTS = 100  # in one request

blueprint = Blueprint("homeserver_seats", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)


class Candidate(Body):
    """The body: the user who wants to join, and the users who left."""

    user_id: Text
    left: list[Text]


@blueprint.post("/predecessors")
def predecessors() -> Response:
    """The users among `left` whose address the candidate has verified since."""
    body = read_body(Candidate)
    if len(body.left) > MAX_ACCOUNTS:
        raise TooMuchAtOnce(f"At most {MAX_ACCOUNTS} accounts at once.")
    with services.database.reading() as session:
        found = successions.predecessors(session, body.user_id, body.left)
    return jsonify({"predecessors": found})
