"""Other people whose invitations were in the same mail: each can be refused by a link."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from identity.invitations import inviters, mail_grouping, muting
from identity.invitations.models import ThirdPartyInvitation
from identity.web.request_context import services


@dataclass(frozen=True)
class OtherInviter:
    """Their name or user ID, and the token of the link "I don't know this person"."""

    name: str
    token: str


def find_others(session: Session, found: ThirdPartyInvitation) -> list[OtherInviter]:
    """The other senders who are not muted yet; the newest first."""
    invitations = mail_grouping.find_invitations_of_others(session, found)
    return [
        OtherInviter(_name(session, each.sender), services.tokens.link(each.id, "not_me"))
        for each in invitations
        if not muting.is_muted(session, services.hashes, address=each.address, sender=each.sender)
    ]


def _name(session: Session, sender: str) -> str:
    name, _ = inviters.name_and_organisation_of(session, services.rules.current(), sender)
    return name or sender
