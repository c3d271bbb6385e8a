"""The mails that Matrix clients and homeservers cause: a code for a client, an invitation to a room."""

from datetime import datetime
from email.message import EmailMessage
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import classes as account_classes
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.invitations import inviters, opting_out, room_agreement
from identity.invitations import mail_grouping as invitation_mails
from identity.invitations import models as third_party_invitations
from identity.invitations import proof as invitation_proof
from identity.invitations import service as invitations
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.mail import composing as letters
from identity.mail.composing import Frame, Invitation
from identity.mail.models import Mail, Template
from identity.services import Wiring
from identity.threepids import validation, validation_sessions
from identity.threepids.validation_sessions import ValidationSession

MOST_INVITERS = 3  # named in one mail
MOST_NOT_INVITED = 10  # addresses named in one mail
SUBMIT = "/_matrix/identity/v2/validate/email/submitToken"


class NoLongerWanted(Exception):
    """The reason of this mail ended before it left."""


def client_verify(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    """The code that a client wants handed in. Raises NoLongerWanted once the session has ended."""
    asked = validation_sessions.find(session, mail.subject_id)
    if asked is None or validation.is_over(asked, now):
        raise NoLongerWanted
    made = one_time_codes.carry(session, wired.tokens, now, Purpose.CLIENT, asked.sid)
    code = one_time_codes.digits(wired.tokens, made)
    return letters.client_verify(
        frame,
        code=code,
        link=f"{frame.public_url}/v/{wired.tokens.link(asked.id, 'client')}",
        submit_link=_submit_link(wired, asked, code) if frame.brand_dir else "",
        user_id=asked.user_id,
        requested_at=mail.created_at,
        ends_at=validation.ends_at(asked),
    )


def _submit_link(wired: Wiring, asked: ValidationSession, code: str) -> str:
    """The specification's link: it proves the address to whoever opens it, so only an operator's text has it."""
    secret = wired.vault.open(asked.sealed_secret).get_secret_value()
    query = urlencode({"token": code, "client_secret": secret, "sid": asked.sid})
    return f"{wired.settings.public_url}{SUBMIT}?{query}"


def invite(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    """The invitations this mail tells of, from people we know by a proved address. Raises NoLongerWanted."""
    wanted = _wanted(wired, session, mail, now)
    if len(wanted) == 1:
        return _one(wired, session, frame, wanted[0], now)
    return _several(wired, session, frame, mail, wanted=wanted, now=now)


def _one(
    wired: Wiring,
    session: Session,
    frame: Frame,
    invitation: ThirdPartyInvitation,
    now: datetime,
) -> EmailMessage:
    own = dict.fromkeys(
        ("room_alias", "room_name", "room_avatar_url", "sender_display_name", "sender_avatar_url"),
        "",
    )
    own |= invitation.facts | {"token": invitation.token, "room_id": invitation.room_id}
    if frame.brand_dir:
        key = wired.vault.open(invitation.sealed_key)
        own["ephemeral_private_key"] = key.get_secret_value()
    return letters.invite(frame, _told(wired, session, frame, invitation, now), own=own)


def reminder(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    """Once more, to who has not answered. Raises NoLongerWanted."""
    wanted = _wanted(wired, session, mail, now)
    if len(wanted) == 1:
        return letters.reminder(frame, _told(wired, session, frame, wanted[0], now))
    return _several(wired, session, frame, mail, wanted=wanted, now=now)


def _wanted(
    wired: Wiring, session: Session, mail: Mail, now: datetime
) -> list[ThirdPartyInvitation]:
    """What there is to tell, newest first. Raises NoLongerWanted if nothing is."""
    about = invitation_mails.about(session, now, mail)
    wanted = [each for each in about if _is_wanted(wired, session, each, now)]
    if not wanted:
        raise NoLongerWanted
    return wanted


def _several(
    wired: Wiring,
    session: Session,
    frame: Frame,
    mail: Mail,
    *,
    wanted: list[ThirdPartyInvitation],
    now: datetime,
) -> EmailMessage:
    """All of them in one mail: how many, and by whom. Rooms have no names before the mailbox is proved."""
    of_sender: dict[str, ThirdPartyInvitation] = {}  # the newest, by which they can be refused
    for each in wanted:
        of_sender.setdefault(each.sender, each)
    named = list(of_sender.values())[:MOST_INVITERS]
    told = [_told(wired, session, frame, each, now) for each in named]
    return letters.invite_digest(
        frame,
        told[0],
        template=mail.template,
        number=len(wanted),
        inviters=tuple(told),
        more=len(of_sender) - len(named),
    )


def inviter_of(wired: Wiring, session: Session, address: str, now: datetime) -> str | None:
    """The name of who has an invitation waiting for this address, if it was proved."""
    rules = wired.rules.current()
    for invitation in third_party_invitations.waiting_for(session, address, now):
        name, _ = inviters.inviter(session, rules, invitation.sender)
        if name and account_classes.is_agent(session, rules, invitation.sender):
            return name
    return None


def language_of(session: Session, mail: Mail) -> str:
    """The language of a mail that was ordered without one; "" if it has to speak both."""
    if mail.template not in (Template.INVITE, Template.INVITE_DIGEST, Template.REMINDER):
        return ""
    invitation = third_party_invitations.find(session, mail.subject_id)
    return invitation_proof.language_of(session, invitation) if invitation else ""


def _is_wanted(
    wired: Wiring, session: Session, invitation: ThirdPartyInvitation, now: datetime
) -> bool:
    """It waits, its sender may still invite, and the mailbox has not had enough of invitations, or of the sender."""
    rules = wired.rules.current()
    return (
        invitation.delivery == Delivery.WAITING
        and invitations.is_open(invitation, now)
        and account_classes.is_agent(session, rules, invitation.sender)
        and not opting_out.is_unwanted(
            session, wired.hashes, address=invitation.address, sender=invitation.sender
        )
    )


def _told(
    wired: Wiring,
    session: Session,
    frame: Frame,
    invitation: ThirdPartyInvitation,
    now: datetime,
) -> Invitation:
    tokens = wired.tokens
    code = one_time_codes.carry(session, tokens, now, Purpose.INVITATION, invitation.address)
    name, organisation = inviters.inviter(session, wired.rules.current(), invitation.sender)
    return Invitation(
        link=f"{frame.public_url}/i/{tokens.link(invitation.id, 'invitation')}",
        unknown_link=f"{frame.public_url}/n/{tokens.link(invitation.id, 'not_me')}",
        opt_out_link=f"{frame.public_url}/d/{tokens.link(invitation.id, 'opt_out')}",
        code=one_time_codes.digits(tokens, code),
        code_expires_at=code.alive_until,
        masked=EmailAddress.stored(invitation.address).masked,
        inviter=name,
        organisation=organisation,
        sender=invitation.sender,
        expires_at=invitation.expires_at,
    )


def not_invited(
    _wired: Wiring, session: Session, frame: Frame, mail: Mail, _now: datetime
) -> EmailMessage:
    """To who invited, of what their rooms did not take. Raises NoLongerWanted."""
    told = room_agreement.told_of(session, mail.id)
    addresses = [EmailAddress.stored(each.address).masked for each in told if "@" in each.address]
    if not addresses:
        raise NoLongerWanted
    return letters.not_invited(
        frame, addresses=addresses[:MOST_NOT_INVITED], more=len(addresses[MOST_NOT_INVITED:])
    )


MATRIX_LETTERS = {
    Template.NOT_INVITED: not_invited,
    Template.CLIENT_VERIFY: client_verify,
    Template.INVITE: invite,
    Template.REMINDER: reminder,
    Template.INVITE_DIGEST: invite,
}
