"""Writes the mails about invitations: invitation, digest, reminder, notice to the inviter."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Final

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.user_ids import homeserver_of
from identity.accounts import classes as account_classes
from identity.core import foreseen
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.homeservers import models as homeservers
from identity.mail.composing import Frame, compose, compose_branded
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail
from identity.threepids import associations

from . import inviters, mail_grouping, models, opting_out, proof, room_agreement, states
from .history import Happened
from .models import Delivery, State, ThirdPartyInvitation

MAX_INVITERS: Final = 3  # named in one mail
MAX_NOT_INVITED: Final = 10  # addresses named in one mail
BY: Final = "mail"
UNCERTAIN: Final = "not certain: the connection ended before the answer"


def compose_invite(turn: MailTurn, frame: Frame) -> EmailMessage:
    """An invitation, or several as a digest. Raises NoLongerWanted.

    The inviter is named by a verified address only.
    """
    wanted = _find_wanted(turn)
    if len(wanted) > 1:
        return _compose_digest(turn, frame, wanted)
    [invitation] = wanted
    own = dict.fromkeys(
        ("room_alias", "room_name", "room_avatar_url", "sender_display_name", "sender_avatar_url"),
        "",
    )
    own |= invitation.facts | {"token": invitation.token, "room_id": invitation.room_id}
    if frame.brand_dir:
        key = turn.vault.open(invitation.sealed_key)
        own["ephemeral_private_key"] = key.get_secret_value()
    facts = _facts_of(turn, frame, invitation)
    return compose_branded("invite.txt", "invite", frame, own=own, sent_at=frame.date, **facts)


def compose_reminder(turn: MailTurn, frame: Frame) -> EmailMessage:
    """A reminder of unanswered invitations. Raises NoLongerWanted."""
    wanted = _find_wanted(turn)
    if len(wanted) > 1:
        return _compose_digest(turn, frame, wanted)
    return compose("reminder", frame, sent_at=frame.date, **_facts_of(turn, frame, wanted[0]))


def compose_not_invited(turn: MailTurn, frame: Frame) -> EmailMessage:
    """Tells an inviter that invitations were not sent, since their rooms do not hold them.

    Addresses are masked. Raises NoLongerWanted.
    """
    named = room_agreement.find_named_in(turn.session, turn.mail.id)
    addresses = [EmailAddress.stored(each.address).masked for each in named if "@" in each.address]
    if not addresses:
        raise NoLongerWanted
    more = len(addresses[MAX_NOT_INVITED:])
    return compose("not_invited", frame, addresses=addresses[:MAX_NOT_INVITED], more=more)


def digest_facts(facts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The facts of a digest, from the facts of one invitation of each sender it names.

    The code is the newest invitation's; each sender can be refused by a link of their own.
    """
    return facts[0] | {
        "inviters": tuple(each["inviter"] or each["sender"] for each in facts),
        "unknown_links": tuple(each["unknown_link"] for each in facts),
    }


def language_of(session: Session, mail: Mail) -> str:
    """The language of the invited person; "" if it is unknown."""
    invitation = models.find(session, mail.subject_id)
    return proof.language_of(session, invitation) if invitation else ""


def foresee(session: Session, hashes: KeyedHashes, now: datetime, found: Sequence[Mail]) -> object:
    """Read at once what the mails about these invitations will ask for."""
    invitations = mail_grouping.foresee(session, now, found)
    senders, addresses = ({each.sender for each in invitations}, {each.address for each in found})
    associations.foresee(session, senders)
    opting_out.foresee(session, hashes, addresses)
    proof.foresee_languages(session, invitations)
    one_time_codes.foresee(session, now, Purpose.INVITATION, addresses)
    at = homeservers.find_these(session, {homeserver_of(each) for each in senders})
    return invitations, at


def record_all_handed(session: Session, now: datetime, found: Sequence[Mail]) -> None:
    """Record on the invitations of these mails that the relay accepted them."""
    in_mail = models.find_by_mails(session, [mail.id for mail in found])
    foreseen.remember(session, models.IN_MAIL, in_mail)
    sent = [each for mail in found for each in mail_grouping.invitations_of(session, now, mail)]
    states.record_event_of_all(session, now, sent, State.SENT, Happened.SENT, by="worker")


def record_refused(session: Session, now: datetime, mail: Mail, reason: str) -> None:
    """Record on the invitations of a mail that it was refused, with the reason for the inviter."""
    for each in mail_grouping.invitations_of(session, now, mail):
        states.record_event(
            session, now, each, State.REFUSED, Happened.REFUSED, by=BY, detail=reason
        )


def record_uncertain(session: Session, now: datetime, mail: Mail) -> None:
    """Record that the relay may have accepted the mail: nobody is told that it failed."""
    for each in mail_grouping.invitations_of(session, now, mail):
        states.record_event(session, now, each, State.SENT, Happened.SENT, by=BY, detail=UNCERTAIN)


def end_by_complaint(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> bool:
    """Recipients who report an invitation as spam receive no further invitations."""
    opting_out.opt_out(session, hashes, now, address)
    return True


INVITE = MailKind(  # also for digests: the mail's own template says which limits count
    compose=compose_invite,
    language=language_of,
    check_held=mail_grouping.check_held,
    close=mail_grouping.close,
    foresee=foresee,
    on_all_handed=record_all_handed,
    on_refused=record_refused,
    on_uncertain=record_uncertain,
    on_not_tried=mail_grouping.pass_on_carried,
    on_dropped=mail_grouping.give_turn_back,
    on_complaint=end_by_complaint,
)
REMINDER = replace(INVITE, compose=compose_reminder)
NOT_INVITED = MailKind(compose=compose_not_invited)


def _find_wanted(turn: MailTurn) -> list[ThirdPartyInvitation]:
    """The invitations to write about, newest first. Raises NoLongerWanted if there are none."""
    invitations = mail_grouping.invitations_of(turn.session, turn.now, turn.mail)
    wanted = [each for each in invitations if _is_wanted(turn, each)]
    if not wanted:
        raise NoLongerWanted
    return wanted


def _is_wanted(turn: MailTurn, invitation: ThirdPartyInvitation) -> bool:
    """Whether it is open, its sender may still invite, and the mailbox accepts mails about it."""
    return (
        invitation.delivery == Delivery.WAITING
        and states.is_open(invitation, turn.now)
        and account_classes.is_agent(turn.session, turn.rules, invitation.sender)
        and not opting_out.is_unwanted(
            turn.session, turn.hashes, address=invitation.address, sender=invitation.sender
        )
    )


def _compose_digest(
    turn: MailTurn, frame: Frame, wanted: list[ThirdPartyInvitation]
) -> EmailMessage:
    of_sender: dict[
        str, ThirdPartyInvitation
    ] = {}  # the newest one, by which the sender can be refused
    for each in wanted:
        of_sender.setdefault(each.sender, each)
    named = list(of_sender.values())[:MAX_INVITERS]
    facts = digest_facts([_facts_of(turn, frame, each) for each in named])
    return compose(
        "invite_digest",
        frame,
        named=turn.mail.template,
        sent_at=frame.date,
        number=len(wanted),
        more=len(of_sender) - len(named),
        **facts,
    )


def _facts_of(turn: MailTurn, frame: Frame, invitation: ThirdPartyInvitation) -> dict[str, Any]:
    """The facts that a mail states about one invitation.

    The code is the one of all mails about invitations to this address.
    """
    session, tokens = turn.session, turn.tokens
    code = one_time_codes.issue_for_mail(
        session, tokens, turn.now, Purpose.INVITATION, invitation.address
    )
    name, organisation = inviters.name_and_organisation_of(session, turn.rules, invitation.sender)
    return {
        "link": f"{frame.public_url}/i/{tokens.link(invitation.id, 'invitation')}",
        "unknown_link": f"{frame.public_url}/n/{tokens.link(invitation.id, 'not_me')}",
        "opt_out_link": f"{frame.public_url}/d/{tokens.link(invitation.id, 'opt_out')}",
        "code": one_time_codes.digits_of(tokens, code),
        "code_expires_at": code.alive_until,
        "masked": EmailAddress.stored(invitation.address).masked,
        "inviter": name,
        "organisation": organisation,
        "sender": invitation.sender,
        "expires_at": invitation.expires_at,
    }
