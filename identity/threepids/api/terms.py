"""/terms: what people are asked to accept, and that they did. S27 to S36."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from identity.threepids import accounts as identity_accounts
from identity.web.json_body import Body, Text, read_body
from identity.web.matrix_v2 import V2
from identity.web.request_context import services

from .guards import anyone, caller, signed_in_before_terms

MAX_TEXTS = 200  # texts accepted at once

reading = Blueprint("terms", __name__, url_prefix=V2)
reading.before_request(anyone)

accepting = Blueprint("accepting_terms", __name__, url_prefix=V2)
accepting.before_request(signed_in_before_terms)


class Acceptance(Body):
    """The URLs of what a user read, in the language they read it."""

    user_accepts: Annotated[list[Text], Field(max_length=MAX_TEXTS)]


@reading.get("/terms")
def terms() -> Response:
    """Every policy, in every language."""
    return jsonify(policies=services.terms.described())


@accepting.post("/terms")
def accept() -> Response:
    """Adds to what was accepted before."""
    accepted = read_body(Acceptance)
    with services.database.transaction() as session:
        identity_accounts.accept(
            session,
            services.terms,
            services.now(),
            user_id=caller().user_id,
            urls=accepted.user_accepts,
        )
    return jsonify({})
