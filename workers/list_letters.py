"""The mails about lists of people: a code to see them, and the report when all of a list has left."""

from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from identity.mail import letters
from identity.mail.letters import Frame
from identity.storage import list_sign_ins
from identity.storage.mails import Mail, Template
from identity.storage.people_lists import PeopleList
from identity.use_cases import list_report, list_sign_in
from identity.wiring import Wiring

from .matrix_letters import NoLongerWanted


def list_code(
    wired: Wiring, session: Session, frame: Frame, mail: Mail, now: datetime
) -> EmailMessage:
    """Raises NoLongerWanted once the code is of no use any more."""
    asked = list_sign_ins.find(session, mail.subject_id)
    if asked is None or not list_sign_in.is_mailable(asked, now):
        raise NoLongerWanted
    return letters.list_code(
        frame,
        code=wired.tokens.code(asked.id, 1),
        link=f"{frame.public_url}/lists",
        requested_at=asked.created_at,
        code_expires_at=asked.expires_at,
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
