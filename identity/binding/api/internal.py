"""/_matrix/identity/internal: a homeserver associates what it has verified itself for one of its own users."""

from flask import Blueprint, Response, jsonify

from domain_rules.addresses import InvalidAddress
from domain_rules.user_ids import homeserver_of, is_of_homeserver
from identity import problems
from identity.binding import service as binding
from identity.homeservers import models as homeservers
from identity.web.api_guards import calling_homeserver, homeserver
from identity.web.json_body import Body, Text, read_body
from identity.web.request_context import services

blueprint = Blueprint("internal_binding", __name__, url_prefix="/_matrix/identity/internal")
blueprint.before_request(homeserver)


class Association(Body):
    """An address and the user ID it belongs to."""

    medium: Text
    address: Text
    mxid: Text


@blueprint.post("/bind")
def bind() -> Response:
    """Associate; the homeserver's own verification is the proof."""
    asked = _read()
    try:
        address = services.rules.current().read(asked.address, smtputf8=True, typed=False)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    with services.database.transaction() as session:
        binding.bind_verified(
            session,
            services.rules.current(),
            services.now(),
            policy=services.settings.association_policy,
            address=address,
            user_id=asked.mxid,
        )
    return jsonify({})


@blueprint.post("/unbind")
def unbind() -> Response:
    """Withdraw exactly this association, if it is there."""
    asked = _read()
    with services.database.transaction() as session:
        binding.unbind_verified(session, services.now(), address=asked.address, user_id=asked.mxid)
    return jsonify({})


def _read() -> Association:
    """Raises NotAllowed for the users of another homeserver, and of one that is not registered."""
    asked = read_body(Association)
    if asked.medium != "email":
        raise problems.UnknownMedium
    named = calling_homeserver() or homeserver_of(asked.mxid)
    with services.database.reading() as session:
        known = homeservers.find(session, named)
    if known is None or not is_of_homeserver(asked.mxid, named):
        raise problems.NotAllowed("This user ID belongs to another homeserver.")
    return asked
