"""/api/homeserver/v1/may-register: whether an address may register on the calling homeserver.

`/internal-info` answers the same, but with the address in the URL, and Synapse logs URLs.
"""

from flask import Blueprint, Response, jsonify

from domain_rules.address_faults import InvalidAddress
from identity import problems
from identity.invitations import service as invitations
from identity.sign_up import openness
from identity.web.guards import homeserver_of_module, module_in_homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services
from identity.web.request_record import about_address

blueprint = Blueprint("homeserver_door", __name__, url_prefix="/api/homeserver/v1")
blueprint.before_request(module_in_homeserver)


class Registration(Body):
    """The body: the address of somebody who wants to register."""

    medium: Text
    address: Text


@blueprint.post("/may-register")
def may_register() -> Response:
    """Whether the current rules allow it, with an invitation that waits where they require one."""
    body = read_body(Registration)
    if body.medium != "email":
        raise problems.UnknownMedium
    rules = services.rules.current()
    try:
        address = rules.read(body.address, smtputf8=True, typed=False)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    about_address(address.canonical)
    decision = rules.decide(address)
    is_here = homeserver_of_module() in {decision.homeserver, decision.protected_homeserver}
    with services.database.reading() as session:
        now = services.now()
        try:
            openness.check_open(session, rules, now, address)
        except (problems.Stopped, problems.HomeserverRetired) as stopped:
            return jsonify({"allowed": False, **stopped.further})
        is_welcome = is_here and invitations.may_register(session, rules, now, address)
    return jsonify({"allowed": is_welcome})
