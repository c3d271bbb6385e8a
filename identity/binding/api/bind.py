"""/3pid/bind and /3pid/unbind (Identity Service API v2, "Establishing associations")."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from domain_rules.user_ids import homeserver_of
from identity import problems
from identity.accounts import ends as account_ends
from identity.binding import service as binding
from identity.homeservers import standing as homeserver_standing
from identity.keys import service as signing_keys
from identity.threepids.validation import check_secret
from identity.web.guards import anyone
from identity.web.json_body import Body, Text, read_as, read_body, read_object
from identity.web.matrix_guards import V2, bearer_account, caller, check_terms, signed_in_now
from identity.web.request_context import client_ip, services

UNBIND = f"{V2}/3pid/unbind"

blueprint = Blueprint("binding", __name__, url_prefix=V2)
blueprint.before_request(signed_in_now)

# A homeserver unbinds for users who may have no token here and may not have accepted the terms.
unbinding = Blueprint("unbinding", __name__)
unbinding.before_request(anyone)


class Bind(Body):
    """The body of POST /3pid/bind."""

    sid: Text
    client_secret: Text
    mxid: Text


class ThirdPartyId(Body):
    """An address and its medium."""

    medium: Text
    address: Text


class Unbind(Body):
    """The body of POST /3pid/unbind."""

    threepid: ThirdPartyId
    mxid: Text
    sid: Text | None = None
    client_secret: Text | None = None


@blueprint.post("/3pid/bind")
def bind() -> Response:
    """Associate a verified address with the caller; the signed association."""
    body = read_body(Bind)
    if body.mxid != caller().user_id:
        raise problems.NotYourself
    now = services.now()
    with services.database.transaction() as session:
        association = binding.bind(
            session,
            services.rules.current(),
            now,
            policy=services.settings.association_policy,
            user_id=body.mxid,
            sid=body.sid,
            client_secret=check_secret(body.client_secret),
        )
        key = signing_keys.current_key(session, services.vault, now)
    return jsonify(key.sign(association, server_name=services.settings.server_name))


@unbinding.post(UNBIND)
def unbind() -> Response:
    """Delete an association. A missing one is no error: else an account could not be closed."""
    sent = read_object()
    body = read_as(Unbind, sent)
    if body.threepid.medium != "email":
        raise problems.UnknownMedium
    is_by_homeserver = _check_authority(body, sent)
    with services.database.transaction() as session:
        binding.unbind(session, address=body.threepid.address, user_id=body.mxid)
        if is_by_homeserver:
            account_ends.end_tokens_if_unbound(session, body.mxid)
    return jsonify({})


def _check_authority(body: Unbind, sent: dict[str, Any]) -> bool:
    """Check who unbinds: the user's homeserver (True), or the session or token of the user.

    Raises NotAllowed.
    """
    authorization = request.headers.get("Authorization", "")
    if authorization.lower().startswith("x-matrix"):
        origin = services.federation.verify_x_matrix(
            authorization,
            method="POST",
            # The path as it was signed, without a prefix that a proxy may have added.
            uri=UNBIND,
            content=sent,
            our_names=services.settings.names,
            before_asking=lambda: services.limits.spend_key_request(client_ip()),
        )
        if origin != homeserver_of(body.mxid):
            raise problems.NotAllowed("This user ID belongs to another homeserver.")
        with services.database.reading() as session:
            # Its keys may be known from before it was suspended.
            homeserver_standing.check_user(session, body.mxid)
        return True
    if body.sid is not None and body.client_secret is not None:
        with services.database.reading() as session:
            is_verified = binding.is_verified_in(
                session,
                services.now(),
                sid=body.sid,
                client_secret=check_secret(body.client_secret),
                address=body.threepid.address,
            )
        if not is_verified:
            raise problems.NotAllowed("This session does not prove this address, or no longer.")
    elif (account := bearer_account()) is not None:
        check_terms(account)
        if account.user_id != body.mxid:
            raise problems.NotAllowed("The access token belongs to another user ID.")
    else:
        raise problems.NotAllowed(
            "A signature of the homeserver, or a proof of the address, is needed."
        )
    return False
