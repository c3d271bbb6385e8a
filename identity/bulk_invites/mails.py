"""Writes the mails about bulk invites: the code to sign in, and the report of one that is sent."""

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from identity.accounts import coded_mails, known_people
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail.composing import Frame, compose
from identity.mail.kinds import Fate, MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail

from . import report, sign_in, sign_in_models
from .models import BulkInvite
from .sign_in_models import BulkInviteSignIn


def foresee_codes(
    session: Session, _hashes: KeyedHashes, now: datetime, found: Sequence[Mail]
) -> Sequence[BulkInviteSignIn]:
    """Read the requests of these mails, and the codes of their addresses."""
    one_time_codes.foresee(session, now, Purpose.LISTS, {mail.address for mail in found})
    return sign_in_models.find_all(session, [mail.subject_id for mail in found])


def decide_code(turn: MailTurn) -> Fate:
    """A code is sent only to an agent, while a browser waits for it."""

    def is_wanted() -> bool:
        address = turn.mail.address
        is_waited_for = bool(sign_in_models.find_open(turn.session, address, turn.now))
        return (
            is_waited_for and known_people.agent_of(turn.session, turn.rules, address) is not None
        )

    return coded_mails.decide(turn, Purpose.LISTS, is_wanted=is_wanted)


def compose_list_code(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The code that signs an agent in to their bulk invites. `decide_code` decided before."""
    session, mail, now = turn.session, turn.mail, turn.now
    request = session.get(BulkInviteSignIn, mail.subject_id)
    if request is None:
        raise NoLongerWanted
    code = one_time_codes.issue_for_mail(session, turn.tokens, now, Purpose.LISTS, mail.address)
    others = sign_in.find_elsewhere(session, now, request)
    return compose(
        "list_code",
        frame,
        code=one_time_codes.digits_of(turn.tokens, code),
        link=f"{frame.public_url}/v/{turn.tokens.link(request.id, 'lists')}",
        requested_at=mail.created_at,
        code_expires_at=code.alive_until,
        device=request.device,
        others=tuple((each.device, each.created_at) for each in others),
    )


def compose_bulk_report(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The outcome of a bulk invite for its owner: counts and a link, without names or addresses."""
    bulk_invite = turn.session.get(BulkInvite, turn.mail.subject_id)
    if bulk_invite is None:
        raise NoLongerWanted
    counted = report.counts_of(turn.session, bulk_invite)
    return compose(
        "bulk_report",
        frame,
        room=bulk_invite.room_name or bulk_invite.room_id,
        file_name=bulk_invite.file_name,
        link=f"{frame.public_url}/lists/{bulk_invite.id}",
        started_at=bulk_invite.started_at or bulk_invite.created_at,
        sent=counted.sent,
        failed=counted.failed,
        unsent=counted.unsent,
        review=counted.failed + counted.unsent,
    )


def tell_late(session: Session, mail: Mail, was: datetime) -> None:
    """The pages of those who wait say when the mail leaves."""
    sign_in_models.record_moved_mail(session, mail.address, was=was, is_now=mail.goes_at)


LIST_CODE = MailKind(
    compose=compose_list_code, foresee=foresee_codes, decide=decide_code, on_late=tell_late
)
BULK_REPORT = MailKind(compose=compose_bulk_report)
