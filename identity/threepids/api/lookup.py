"""/hash_details and /lookup: who has these addresses, asked by their hashes. S37 to S47."""

from typing import get_args

from flask import Blueprint, Response, jsonify

from identity.accounts import classes
from identity.core.strict_json import is_text
from identity.problems import TooMuchAtOnce, WrongParameter
from identity.threepids import lookup as lookups
from identity.threepids.lookup import Algorithm
from identity.web.json_body import Body, Text, read_body
from identity.web.matrix_v2 import V2
from identity.web.request_context import services

from .guards import caller, signed_in, signed_in_by_query

MAX_ADDRESSES = 1000  # addresses at once
ALGORITHMS: dict[str, Algorithm] = {name: name for name in get_args(Algorithm)}

details = Blueprint("hash_details", __name__, url_prefix=V2)
details.before_request(signed_in_by_query)

blueprint = Blueprint("lookup", __name__, url_prefix=V2)
blueprint.before_request(signed_in)


class Lookup(Body):
    """As the specification has it."""

    algorithm: Text
    pepper: Text
    addresses: list[str]


@details.get("/hash_details")
def hash_details() -> Response:
    """How to hash, and with what. Synapse shows its user's token in the query."""
    with services.database.reading() as session:
        pepper = lookups.pepper(session)
    return jsonify(lookup_pepper=pepper, algorithms=services.settings.lookup_algorithms)


@blueprint.post("/lookup")
def lookup() -> Response:
    """The user ID behind each of the addresses that somebody has; about the others nothing."""
    asked = read_body(Lookup)
    if asked.algorithm not in services.settings.lookup_algorithms:
        raise WrongParameter("This algorithm is not among those of hash_details.")
    if len(asked.addresses) > MAX_ADDRESSES:
        raise TooMuchAtOnce(f"At most {MAX_ADDRESSES} addresses at once.")
    services.limits.spend_lookup(services.now(), caller().user_id, asked.addresses)
    with services.database.reading() as session:
        found = lookups.find(
            session,
            services.now(),
            by_agent=classes.is_agent(session, services.rules.current(), caller().user_id),
            algorithm=ALGORITHMS[asked.algorithm],
            with_pepper=asked.pepper,
            asked=[address for address in asked.addresses if is_text(address)],
        )
    return jsonify(mappings=found)
