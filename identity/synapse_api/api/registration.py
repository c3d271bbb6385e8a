"""/api/homeserver/v1/may-register: whether an address may have an account where the question comes from, now.

What `/internal-info` tells, asked without the address in a URL: Synapse logs every URL it calls.
"""

from flask import Blueprint, Response, jsonify

from domain_rules.addresses import InvalidAddress
from identity import problems
from identity.invitations import service as invitations
from identity.web.api_guards import homeserver_of_module, module_in_homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

blueprint = Blueprint("homeserver_door", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)


class Candidate(Body):
    """Somebody at the homeserver's door."""

    medium: Text
    address: Text


@blueprint.post("/may-register")
def may_register() -> Response:
    """By the rules of now, and where they want one by a live invitation."""
    asked = read_body(Candidate)
    if asked.medium != "email":
        raise problems.UnknownMedium
    rules = services.rules.current()
    try:
        address = rules.read(asked.address, smtputf8=True, typed=False)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    decision = rules.decide(address)
    is_here = homeserver_of_module() in {decision.homeserver, decision.protected_homeserver}
    with services.database.reading() as session:
        is_welcome = is_here and invitations.may_register(session, rules, services.now(), address)
    return jsonify({"allowed": is_welcome})
