"""/terms: the policies to accept, and accepting them (Identity Service API v2)."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from identity.threepids import accounts
from identity.web.from_memory import answers_from_memory
from identity.web.guards import anyone
from identity.web.json_body import Body, Text, read_body
from identity.web.matrix_guards import V2, caller, signed_in_before_terms
from identity.web.request_context import services

MAX_TEXTS = 200  # in one request

reading = Blueprint("terms", __name__, url_prefix=V2)
reading.before_request(anyone)

accepting = Blueprint("accepting_terms", __name__, url_prefix=V2)
accepting.before_request(signed_in_before_terms)


class Acceptance(Body):
    """The body: the URLs of the texts, in the language in which the user read them."""

    user_accepts: Annotated[list[Text], Field(max_length=MAX_TEXTS)]


@reading.get("/terms")
@answers_from_memory
def terms() -> Response:
    """All policies in all languages."""
    return jsonify(policies=services.terms.described())


@accepting.post("/terms")
def accept() -> Response:
    """Add to the texts accepted before."""
    accepted = read_body(Acceptance)
    with services.database.transaction() as session:
        accounts.accept(
            session,
            services.terms,
            services.now(),
            user_id=caller().user_id,
            urls=accepted.user_accepts,
        )
    return jsonify({})
