"""/3pid/bind and /3pid/unbind: an address is associated with a user ID, and withdrawn. S69 to S78."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.accounts import ends as account_ends
from identity.binding import service as binding
from identity.keys import service as signing_keys
from identity.threepids.api.guards import anyone, bearer_account, caller, check_terms, signed_in
from identity.threepids.validation import check_secret
from identity.web.json_body import Body, Text, read_as, read_body, read_object
from identity.web.matrix_v2 import V2
from identity.web.request_context import services

UNBIND = f"{V2}/3pid/unbind"

blueprint = Blueprint("binding", __name__, url_prefix=V2)
blueprint.before_request(signed_in)

# A homeserver unbinds for a user who may have no token here, and accepted no terms.
unbinding = Blueprint("unbinding", __name__)
unbinding.before_request(anyone)


class Bind(Body):
    """As the specification has it."""

    sid: Text
    client_secret: Text
    mxid: Text


class ThirdPartyId(Body):
    """An address, and what kind of one."""

    medium: Text
    address: Text


class Unbind(Body):
    """As the specification has it."""

    threepid: ThirdPartyId
    mxid: Text
    sid: Text | None = None
    client_secret: Text | None = None


@blueprint.post("/3pid/bind")
def bind() -> Response:
    """Publish the association of a proved address with the caller; others may look it up from now on."""
    asked = read_body(Bind)
    if asked.mxid != caller().user_id:
        raise problems.NotYourself
    now = services.now()
    with services.database.transaction() as session:
        association = binding.bind(
            session,
            services.rules.current(),
            now,
            policy=services.settings.association_policy,
            user_id=asked.mxid,
            sid=asked.sid,
            client_secret=check_secret(asked.client_secret),
        )
        key = signing_keys.current(session, services.vault, now)
    return jsonify(key.sign(association, server_name=services.settings.server_name))


@unbinding.post(UNBIND)
def unbind() -> Response:
    """Withdraw an association. One that is not there is no fault: else an account could not be closed."""
    sent = read_object()
    asked = read_as(Unbind, sent)
    if asked.threepid.medium != "email":
        raise problems.UnknownMedium
    is_by_homeserver = _check_authority(asked, sent)
    with services.database.transaction() as session:
        binding.unbind(session, address=asked.threepid.address, user_id=asked.mxid)
        if is_by_homeserver:
            account_ends.unpublished(session, asked.mxid)
    return jsonify({})


def _check_authority(asked: Unbind, sent: dict[str, Any]) -> bool:
    """By the homeserver of the user (True), or by the proof of the address, or by the user. Raises NotAllowed."""
    authorization = request.headers.get("Authorization", "")
    if authorization.lower().startswith("x-matrix"):
        origin = services.federation.verify_x_matrix(
            authorization,
            method="POST",
            # As it was signed: what a proxy put before the path is not in it.
            uri=UNBIND,
            content=sent,
            our_names=services.settings.names,
        )
        if origin != homeserver_of(asked.mxid):
            raise problems.NotAllowed("This user ID belongs to another homeserver.")
        return True
    if asked.sid is not None and asked.client_secret is not None:
        with services.database.reading() as session:
            proved = binding.owns(
                session,
                services.now(),
                sid=asked.sid,
                client_secret=check_secret(asked.client_secret),
                address=asked.threepid.address,
            )
        if not proved:
            raise problems.NotAllowed("This session does not prove this address, or no longer.")
    elif (account := bearer_account()) is not None:
        check_terms(account)
        if account.user_id != asked.mxid:
            raise problems.NotAllowed("The access token belongs to another user ID.")
    else:
        raise problems.NotAllowed(
            "A signature of the homeserver, or a proof of the address, is needed."
        )
    return False
