"""The mails about lists of people: a code to see them, and the report when all of a list has left."""

from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from identity.bulk_invites import report as list_report
from identity.bulk_invites import sign_in as list_sign_in
from identity.bulk_invites.models import PeopleList
from identity.bulk_invites.sign_in_models import ListSignIn
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.invitations.jobs.mails import NoLongerWanted
from identity.mail import composing as letters
from identity.mail.composing import Frame
from identity.mail.models import Mail, Template
from identity.services import Wiring


def list_code(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    """Whether it is wanted was decided just before, see mail/code_mails.py."""
    asked = session.get(ListSignIn, mail.subject_id)
    if asked is None:
        raise NoLongerWanted
    code = one_time_codes.carry(session, wired.tokens, now, Purpose.LISTS, mail.address)
    others = list_sign_in.elsewhere(session, now, asked)
    return letters.list_code(
        frame,
        code=one_time_codes.digits(wired.tokens, code),
        link=f"{frame.public_url}/v/{wired.tokens.link(asked.id, 'lists')}",
        requested_at=mail.created_at,
        code_expires_at=code.alive_until,
        device=asked.device,
        others=tuple((each.device, each.created_at) for each in others),
    )


def bulk_report(
    _wired: Wiring, session: Session, frame: Frame, mail: Mail, _now: datetime
) -> EmailMessage:
    """Counts and a link; who is signed in sees the rows."""
    made = session.get(PeopleList, mail.subject_id)
    if made is None:
        raise NoLongerWanted
    counted = list_report.counts(session, made)
    return letters.bulk_report(
        frame,
        room=made.room_name or made.room_id,
        file_name=made.file_name,
        link=f"{frame.public_url}/lists/{made.id}",
        started_at=made.started_at or made.created_at,
        sent=counted.sent,
        failed=counted.failed,
        unsent=counted.unsent,
    )


LIST_LETTERS = {Template.LIST_CODE: list_code, Template.BULK_REPORT: bulk_report}
