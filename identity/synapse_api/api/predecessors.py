"""/api/homeserver/v1/predecessors: whose seat in a conversation of two an account may take.

Asked before a refusal only, and told of no more than the accounts that were named: nobody can list who moved.
"""

from flask import Blueprint, Response, jsonify

from identity.accounts import successions
from identity.problems import TooMuchAtOnce
from identity.web.api_guards import module_in_homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

MAX_ACCOUNTS = 100

blueprint = Blueprint("homeserver_seats", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)


class Coming(Body):
    """Somebody who is to come, and those who left."""

    user_id: Text
    left: list[Text]


@blueprint.post("/predecessors")
def predecessors() -> Response:
    """Those who left whose address the one who is to come has proved since."""
    asked = read_body(Coming)
    if len(asked.left) > MAX_ACCOUNTS:
        raise TooMuchAtOnce(f"At most {MAX_ACCOUNTS} accounts at once.")
    with services.database.reading() as session:
        found = successions.predecessors(session, asked.user_id, asked.left)
    return jsonify({"predecessors": found})
