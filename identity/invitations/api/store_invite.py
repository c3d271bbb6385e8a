"""/store-invite: somebody is invited by an address nobody is known to have. S82 to S84, S87, S88."""

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import Field

from domain_rules.addresses import InvalidAddress
from identity import problems
from identity.accounts import classes as account_classes
from identity.core import signatures as signing
from identity.invitations import store_invite
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.store_invite import EphemeralKey, Invited
from identity.keys import service as signing_keys
from identity.threepids.api.guards import caller, signed_in
from identity.web.json_body import Body, Text, read_as, read_object
from identity.web.matrix_v2 import V2
from identity.web.request_context import services

MAX_ID = 255  # characters of a room or user ID

blueprint = Blueprint("invitations", __name__, url_prefix=V2)
blueprint.before_request(signed_in)

Id = Annotated[Text, Field(min_length=1, max_length=MAX_ID)]


class StoreInvite(Body):
    """As the specification has it; names and pictures are read apart, and further fields are no fault."""

    medium: Text
    address: Text
    room_id: Id
    sender: Id


@blueprint.post("/store-invite")
def store() -> Response:
    """Keep the invitation until the address is bound; once the room took it, the address is told by mail."""
    sent = read_object()
    if sent.get("medium", "email") != "email":
        raise problems.UnknownMedium
    asked = read_as(StoreInvite, sent)
    if asked.sender != caller().user_id:
        raise problems.NotYourself
    rules, now = services.rules.current(), services.now()
    try:
        address = rules.read(asked.address)
    except InvalidAddress as error:
        raise problems.InvalidEmail(str(error)) from None
    with services.database.transaction() as session:
        if not account_classes.is_agent(session, rules, asked.sender):
            raise problems.NotAllowed("Guests do not invite.")
        key = signing_keys.current(session, services.vault, now)
        stored = store_invite.store(
            session,
            rules,
            now,
            invited=Invited(
                *(asked.address, address, asked.room_id, asked.sender, sent),
                anybody=services.settings.association_policy == "any",
            ),
            key=_ephemeral_key(),
            signing_key_id=key.key_id,
        )
        # An invitation that was there before keeps the key that its room knows.
        lasting = signing_keys.public_key(session, stored.signing_key_id) or key.public
        return _answer(stored, lasting)


def _ephemeral_key() -> EphemeralKey:
    made = signing.new_key("0")
    sealed = services.vault.seal(made.seed.get_secret_value())
    # It comes back in queries, and not everybody encodes a plus: the URL-safe alphabet.
    return EphemeralKey(made.public.replace("+", "-").replace("/", "_"), sealed)


def _answer(stored: ThirdPartyInvitation, lasting: str) -> Response:
    keys = f"{services.settings.public_url}{V2}/pubkey"
    return jsonify(
        token=stored.token,
        public_key=lasting,
        public_keys=[
            {"public_key": lasting, "key_validity_url": f"{keys}/isvalid"},
            {"public_key": stored.public_key, "key_validity_url": f"{keys}/ephemeral/isvalid"},
        ],
        display_name=store_invite.masked(stored.address),
    )
