"""/_matrix/identity/internal: a homeserver binds addresses it has verified for its own users."""

from flask import Blueprint, Response, jsonify

from domain_rules.address_faults import InvalidAddress
from domain_rules.user_ids import homeserver_of, is_of_homeserver
from identity import problems
from identity.binding import service as binding
from identity.homeservers import models as homeservers, standing as homeserver_standing
from identity.web.guards import calling_homeserver, homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services
from identity.web.request_record import about_address

blueprint = Blueprint("internal_binding", __name__, url_prefix="/_matrix/identity/internal")
blueprint.before_request(homeserver)


class AssociationBody(Body):
    """The body: an address and the user ID it belongs to."""

    medium: Text
    address: Text
    mxid: Text


@blueprint.post("/bind")
def bind() -> Response:
    """Associate an address; the homeserver has verified it."""
    body = _read()
    try:
        address = services.rules.current().read(body.address, smtputf8=True, typed=False)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    about_address(address.canonical)
    with services.database.transaction() as session:
        binding.bind_verified(
            session,
            services.rules.current(),
            services.now(),
            policy=services.settings.association_policy,
            address=address,
            user_id=body.mxid,
        )
    return jsonify({})


@blueprint.post("/unbind")
def unbind() -> Response:
    """Delete this association, if there is one."""
    body = _read()
    with services.database.transaction() as session:
        binding.unbind_verified(session, services.now(), address=body.address, user_id=body.mxid)
    return jsonify({})


def _read() -> AssociationBody:
    """Read the body. Raises NotAllowed for users of another or an unregistered homeserver."""
    body = read_body(AssociationBody)
    if body.medium != "email":
        raise problems.UnknownMedium
    named = calling_homeserver() or homeserver_of(body.mxid)
    with services.database.reading() as session:
        known = homeservers.find(session, named)
    homeserver_standing.check_not_suspended(known)
    if known is None or not is_of_homeserver(body.mxid, named):
        raise problems.NotAllowed("This user ID belongs to another homeserver.")
    return body
