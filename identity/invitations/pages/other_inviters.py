"""Who else invited an address, as one mail told of them: each can be refused from its page."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from identity.invitations import inviters, muting
from identity.invitations import mail_grouping as invitation_mails
from identity.invitations.models import ThirdPartyInvitation
from identity.web.request_context import services


@dataclass(frozen=True)
class Other:
    """Their name, or user ID, and the token of "I don't know this person"."""

    name: str
    token: str


def others(session: Session, found: ThirdPartyInvitation) -> list[Other]:
    """Those beside the sender of this invitation who were not refused yet; the newest first."""
    told = invitation_mails.of_other_senders(session, found)
    return [
        Other(_name(session, each.sender), services.tokens.link(each.id, "not_me"))
        for each in told
        if not muting.is_muted(session, services.hashes, address=each.address, sender=each.sender)
    ]


def _name(session: Session, sender: str) -> str:
    name, _ = inviters.inviter(session, services.rules.current(), sender)
    return name or sender
