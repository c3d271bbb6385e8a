"""The mails about lists of people: a code to see them, and the report when all of a list has left."""

from email.message import EmailMessage

from identity.accounts import known_people
from identity.accounts import models as accounts
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail import models as mails
from identity.mail import results as mail_results
from identity.mail.composing import Frame, compose
from identity.mail.kinds import Fate, MailKind, MailTurn, NoLongerWanted

from . import report, sign_in, sign_in_models
from .models import BulkInvite
from .sign_in_models import BulkInviteSignIn


def decide(turn: MailTurn) -> Fate:
    """A code leaves only for an agent who may send lists, while somebody waits for it."""
    session, mail, now = turn.session, turn.mail, turn.now
    mails.lock_address(session, mail.address)
    fate = Fate.SENT
    if (
        not sign_in_models.of_address(session, mail.address, now)
        or known_people.agent_of(session, turn.rules, mail.address) is None
    ):
        fate = Fate.DROPPED
    elif mail_results.is_suppressed(
        session,
        turn.hashes,
        now,
        mail,
        has_account=accounts.of_address(session, mail.address) is not None,
    ):
        fate = Fate.SUPPRESSED
    if fate is not Fate.SENT:
        one_time_codes.carry(session, turn.tokens, now, Purpose.LISTS, mail.address, told=False)
    return fate


def list_code(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The code that shows an agent their lists of people; whether it is wanted was decided just before."""
    session, mail, now = turn.session, turn.mail, turn.now
    asked = session.get(BulkInviteSignIn, mail.subject_id)
    if asked is None:
        raise NoLongerWanted
    code = one_time_codes.carry(session, turn.tokens, now, Purpose.LISTS, mail.address)
    others = sign_in.elsewhere(session, now, asked)
    return compose(
        "list_code",
        frame,
        code=one_time_codes.digits(turn.tokens, code),
        link=f"{frame.public_url}/v/{turn.tokens.link(asked.id, 'lists')}",
        requested_at=mail.created_at,
        code_expires_at=code.alive_until,
        device=asked.device,
        others=tuple((each.device, each.created_at) for each in others),
    )


def bulk_report(turn: MailTurn, frame: Frame) -> EmailMessage:
    """What became of a list of people, for whoever sent it: counts and a link, and nobody of the list."""
    made = turn.session.get(BulkInvite, turn.mail.subject_id)
    if made is None:
        raise NoLongerWanted
    counted = report.counts(turn.session, made)
    return compose(
        "bulk_report",
        frame,
        room=made.room_name or made.room_id,
        file_name=made.file_name,
        link=f"{frame.public_url}/lists/{made.id}",
        started_at=made.started_at or made.created_at,
        sent=counted.sent,
        failed=counted.failed,
        unsent=counted.unsent,
        review=counted.failed + counted.unsent,
    )


LIST_CODE = MailKind(compose=list_code, decide=decide)
BULK_REPORT = MailKind(compose=bulk_report)
