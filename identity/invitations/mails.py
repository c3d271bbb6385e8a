"""The mails of invitations: the invitation itself, several in one, the reminder, and what the inviter is told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Final

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import classes
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail.composing import Frame, compose, compose_branded
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail

from . import inviters, mail_grouping, models, opting_out, proof, room_agreement, service
from .history import Happened
from .models import Delivery, State, ThirdPartyInvitation

MAX_INVITERS: Final = 3  # named in one mail
MAX_NOT_INVITED: Final = 10  # addresses named in one mail
BY: Final = "mail"
UNCERTAIN: Final = "not certain: the connection ended before the answer"


def invite(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The invitations this mail tells of, from people we know by a verified address. Raises NoLongerWanted."""
    wanted = _wanted(turn)
    if len(wanted) > 1:
        return _several(turn, frame, wanted)
    [invitation] = wanted
    own = dict.fromkeys(
        ("room_alias", "room_name", "room_avatar_url", "sender_display_name", "sender_avatar_url"),
        "",
    )
    own |= invitation.facts | {"token": invitation.token, "room_id": invitation.room_id}
    if frame.brand_dir:
        key = turn.vault.open(invitation.sealed_key)
        own["ephemeral_private_key"] = key.get_secret_value()
    told = _told(turn, frame, invitation)
    return compose_branded("invite.txt", "invite", frame, own=own, sent_at=frame.date, **told)


def reminder(turn: MailTurn, frame: Frame) -> EmailMessage:
    """Once more, to who has not answered. Raises NoLongerWanted."""
    wanted = _wanted(turn)
    if len(wanted) > 1:
        return _several(turn, frame, wanted)
    return compose("reminder", frame, sent_at=frame.date, **_told(turn, frame, wanted[0]))


def not_invited(turn: MailTurn, frame: Frame) -> EmailMessage:
    """To who invited: these did not go, for their room did not take them, or nobody said that it had.

    Addresses are masked. Raises NoLongerWanted.
    """
    told = room_agreement.told_of(turn.session, turn.mail.id)
    addresses = [EmailAddress.stored(each.address).masked for each in told if "@" in each.address]
    if not addresses:
        raise NoLongerWanted
    more = len(addresses[MAX_NOT_INVITED:])
    return compose("not_invited", frame, addresses=addresses[:MAX_NOT_INVITED], more=more)


def digest_facts(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What a mail of several invitations says, from what it would say of one of each sender that is named.

    The code is the newest one's; each sender can be refused by the link of theirs.
    """
    return told[0] | {
        "inviters": tuple(each["inviter"] or each["sender"] for each in told),
        "unknown_links": tuple(each["unknown_link"] for each in told),
    }


def language_of(session: Session, mail: Mail) -> str:
    """The language in which the invited person was met before; "" if they were not."""
    invitation = models.find(session, mail.subject_id)
    return proof.language_of(session, invitation) if invitation else ""


def note_handed(session: Session, now: datetime, mail: Mail) -> None:
    """The relay took it: so it is noted on the invitations it told of."""
    for invitation in mail_grouping.about(session, now, mail):
        service.record(session, now, invitation, State.SENT, Happened.SENT, by="worker")


def note_refused(session: Session, now: datetime, mail: Mail, words: str) -> None:
    """It will not arrive: the inviter reads why."""
    for each in mail_grouping.about(session, now, mail):
        service.record(session, now, each, State.REFUSED, Happened.REFUSED, by=BY, detail=words)


def note_uncertain(session: Session, now: datetime, mail: Mail) -> None:
    """Perhaps it was taken: the person may come, so nobody is told that it failed."""
    for each in mail_grouping.about(session, now, mail):
        service.record(session, now, each, State.SENT, Happened.SENT, by=BY, detail=UNCERTAIN)


def end_by_complaint(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> bool:
    """Recipients who report an invitation as spam receive no further invitations."""
    opting_out.opt_out(session, hashes, now, address)
    return True


INVITE = MailKind(  # also of a digest: what it is counted as, it says itself
    compose=invite,
    language=language_of,
    close=mail_grouping.close,
    on_handed=note_handed,
    on_refused=note_refused,
    on_uncertain=note_uncertain,
    on_not_tried=mail_grouping.go_on,
    on_dropped=mail_grouping.give_turn_back,
    on_complaint=end_by_complaint,
)
REMINDER = replace(INVITE, compose=reminder)
NOT_INVITED = MailKind(compose=not_invited)


def _wanted(turn: MailTurn) -> list[ThirdPartyInvitation]:
    """What there is to tell, newest first. Raises NoLongerWanted if nothing is."""
    about = mail_grouping.about(turn.session, turn.now, turn.mail)
    wanted = [each for each in about if _is_wanted(turn, each)]
    if not wanted:
        raise NoLongerWanted
    return wanted


def _is_wanted(turn: MailTurn, invitation: ThirdPartyInvitation) -> bool:
    """It waits, its sender may still invite, and the mailbox has not had enough of invitations, or of the sender."""
    return (
        invitation.delivery == Delivery.WAITING
        and service.is_open(invitation, turn.now)
        and classes.is_agent(turn.session, turn.rules, invitation.sender)
        and not opting_out.is_unwanted(
            turn.session, turn.hashes, address=invitation.address, sender=invitation.sender
        )
    )


def _several(turn: MailTurn, frame: Frame, wanted: list[ThirdPartyInvitation]) -> EmailMessage:
    of_sender: dict[str, ThirdPartyInvitation] = {}  # the newest, by which they can be refused
    for each in wanted:
        of_sender.setdefault(each.sender, each)
    named = list(of_sender.values())[:MAX_INVITERS]
    facts = digest_facts([_told(turn, frame, each) for each in named])
    return compose(
        "invite_digest",
        frame,
        named=turn.mail.template,
        sent_at=frame.date,
        number=len(wanted),
        more=len(of_sender) - len(named),
        **facts,
    )


def _told(turn: MailTurn, frame: Frame, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    """What a mail says of one invitation. The code is that of all mails about invitations to this address."""
    session, tokens = turn.session, turn.tokens
    code = one_time_codes.carry(session, tokens, turn.now, Purpose.INVITATION, invitation.address)
    name, organisation = inviters.inviter(session, turn.rules, invitation.sender)
    return {
        "link": f"{frame.public_url}/i/{tokens.link(invitation.id, 'invitation')}",
        "unknown_link": f"{frame.public_url}/n/{tokens.link(invitation.id, 'not_me')}",
        "opt_out_link": f"{frame.public_url}/d/{tokens.link(invitation.id, 'opt_out')}",
        "code": one_time_codes.digits(tokens, code),
        "code_expires_at": code.alive_until,
        "masked": EmailAddress.stored(invitation.address).masked,
        "inviter": name,
        "organisation": organisation,
        "sender": invitation.sender,
        "expires_at": invitation.expires_at,
    }
