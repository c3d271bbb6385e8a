"""/hash_details and /lookup: find user IDs by hashed addresses (Identity Service API v2)."""

from functools import partial
from typing import get_args

from flask import Blueprint, Response, jsonify

from domain_rules.rule import AccountClass
from identity.accounts import classes as account_classes
from identity.core.strict_json import is_text
from identity.problems import TooMuchAtOnce, Unavailable, WrongParameter
from identity.threepids import lookup as lookups
from identity.threepids.callers import Caller
from identity.threepids.lookup import Algorithm
from identity.web.from_memory import answers_from_memory
from identity.web.json_body import Body, Text, read_body
from identity.web.matrix_guards import V2, caller, signed_in, signed_in_by_query
from identity.web.request_context import services

MAX_ADDRESSES = 1000  # in one request
ALGORITHMS: dict[str, Algorithm] = {name: name for name in get_args(Algorithm)}

details = Blueprint("hash_details", __name__, url_prefix=V2)
details.before_request(signed_in_by_query)

blueprint = Blueprint("lookup", __name__, url_prefix=V2)
blueprint.before_request(signed_in)


class Lookup(Body):
    """The body of POST /lookup."""

    algorithm: Text
    pepper: Text
    addresses: list[str]


@details.get("/hash_details")
@answers_from_memory
def hash_details() -> Response:
    """The pepper and the algorithms. Synapse sends its user's token in the query."""
    pepper = caller().pepper
    if pepper is None:
        raise Unavailable
    return jsonify(lookup_pepper=pepper, algorithms=services.settings.lookup_algorithms)


@blueprint.post("/lookup")
def lookup() -> Response:
    """The user IDs of those addresses that are associated."""
    body = read_body(Lookup)
    if body.algorithm not in services.settings.lookup_algorithms:
        raise WrongParameter("This algorithm is not among those of hash_details.")
    if len(body.addresses) > MAX_ADDRESSES:
        raise TooMuchAtOnce(f"At most {MAX_ADDRESSES} addresses at once.")
    services.limits.spend_lookup(services.now(), caller().user_id, body.addresses)
    find = partial(
        lookups.find,
        now=services.now(),
        by_agent=_is_agent(caller()),
        algorithm=ALGORITHMS[body.algorithm],
        with_pepper=body.pepper,
        texts=_texts(body.addresses),
    )
    return jsonify(mappings=services.database.ask(find))


def _texts(addresses: list[str]) -> list[str]:
    """Those that can be stored. Nearly always that is all of them, which is seen at once."""
    return addresses if is_text("".join(addresses)) else list(filter(is_text, addresses))


def _is_agent(user: Caller) -> bool:
    of_all = account_classes.of_everybody(user.class_source)
    if of_all is not None:
        return of_all is AccountClass.AGENT
    with services.database.reading() as session:
        return account_classes.is_agent(session, services.rules.current(), user.user_id)
