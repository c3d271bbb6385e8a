"""/i/<token>: somebody invited the address this link was mailed to. Looking at the page changes nothing."""

from http import HTTPStatus

from flask import Response

from domain_rules.addresses import EmailAddress
from identity.context import wired
from identity.storage import third_party_invitations
from identity.storage.third_party_invitations import Delivery
from identity.use_cases import store_invite

from .rendering import page
from .site import blueprint


@blueprint.get("/i/<token>")
def invitation_page(token: str) -> Response:
    """Who invites whom, until when, and the way to an account or to the messenger."""
    invitation_id = wired.tokens.read_link(token, "invitation")
    with wired.database.reading() as session:
        found = third_party_invitations.find(session, invitation_id) if invitation_id else None
        if found is None:
            return page("link_broken", status=HTTPStatus.NOT_FOUND)
        inviter, organisation = store_invite.inviter(session, wired.rules.current(), found.sender)
    if found.delivery != Delivery.WAITING:
        return page("invitation_taken")
    if wired.now() >= found.expires_at:
        return page("invitation_over", ended_at=found.expires_at)
    return page(
        "invitation",
        masked=EmailAddress.parse(found.address, smtputf8=True).masked,
        inviter=inviter or found.sender,
        organisation=organisation if inviter else None,
        expires_at=found.expires_at,
    )
