"""/account: authentication with an OpenID token of the homeserver (Identity Service API v2)."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from identity.homeservers.service import SERVER_NAME
from identity.problems import WrongParameter
from identity.threepids import account_models as identity_accounts, accounts
from identity.web.guards import anyone
from identity.web.json_body import Body, Seconds, Text, read_body
from identity.web.matrix_guards import V2, caller, signed_in, signed_in_before_terms
from identity.web.request_context import client_ip, services

ACCOUNT = f"{V2}/account"
MAX_TOKEN = 5000  # characters

strangers = Blueprint("registration", __name__, url_prefix=ACCOUNT)
strangers.before_request(anyone)

users = Blueprint("account", __name__, url_prefix=ACCOUNT)
users.before_request(signed_in)

leaving = Blueprint("leaving", __name__, url_prefix=ACCOUNT)
leaving.before_request(signed_in_before_terms)


class OpenId(Body):
    """The homeserver's response to `openid/request_token`, as clients pass it on.

    Our token's lifetime does not depend on `expires_in`.
    """

    access_token: Annotated[Text, Field(min_length=1, max_length=MAX_TOKEN)]
    matrix_server_name: Text
    token_type: Text | None = None
    expires_in: Seconds | None = None


@strangers.post("/register")
def register() -> Response:
    """Ask a registered homeserver whose OpenID token this is, and issue a token of ours."""
    body = read_body(OpenId)
    if body.token_type is not None and body.token_type.lower() != "bearer":
        raise WrongParameter("token_type is not Bearer.")
    if not SERVER_NAME.fullmatch(body.matrix_server_name):
        raise WrongParameter("matrix_server_name is no server name.")
    services.limits.spend_sign_in(client_ip())
    user_id = services.federation.owner_of(body.access_token, server_name=body.matrix_server_name)
    with services.database.transaction() as session:
        token = accounts.register(session, services.now(), user_id=user_id)
    # Clients older than r0.3.0 read access_token.
    return jsonify(token=token, access_token=token)


@users.get("")
def account() -> Response:
    """The user ID of the token."""
    return jsonify(user_id=caller().user_id)


@leaving.post("/logout")
def logout() -> Response:
    """End the token; no body is needed."""
    with services.database.transaction() as session:
        identity_accounts.end(session, caller())
    return jsonify({})
