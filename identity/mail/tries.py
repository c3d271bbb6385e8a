"""Each try to hand a mail to the relay: when it began, how it ended, and what the relay said.

A try is written before the mail is sent and completed with its outcome. If its worker dies between
the two, the try is there without an end, which is the truth: the relay may have taken the mail.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ForeignKey, bindparam, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base, UtcDateTime
from identity.core.outbox import Job
from identity.core.personal_data import TEXT

from .models import Mail, MailState

MOST: Final = 50  # tries that are kept of one mail, the newest


class MailTry(Base):
    """One try. It is deleted with its mail."""

    __tablename__ = "mail_tries"

    mail_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Mail.id, ondelete="CASCADE"), primary_key=True
    )
    # Of the job, see `Job.attempts`; an attempt that did not come as far as the relay is no try.
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # null: it is under way, or nobody knows how it ended
    outcome: Mapped[str | None]  # `handed`, or an Outcome
    reply: Mapped[str | None] = mapped_column(info=TEXT)  # as `Mail.last_reply`


ENDING: Final = (
    update(MailTry)
    .where(
        MailTry.mail_id == bindparam("ended_mail"), MailTry.attempt == bindparam("ended_attempt")
    )
    .values(
        ended_at=bindparam("ended_moment", type_=UtcDateTime),
        outcome=bindparam("ended_outcome"),
        reply=bindparam("ended_reply"),
    )
)
"""Records how a try ended. See `facts_of_end`."""


def begin(session: Session, mail_id: uuid.UUID, attempt: int, now: datetime) -> None:
    """A worker is about to hand the mail over. Commit this before it does."""
    session.add(MailTry(mail_id=mail_id, attempt=attempt, began_at=now))
    session.flush()
    if attempt > MOST:
        own = MailTry.mail_id == mail_id
        newest = select(MailTry.attempt).where(own).order_by(MailTry.attempt.desc()).limit(MOST)
        rows.delete(session, MailTry, own, MailTry.attempt.not_in(newest))


def facts_of_end(job: Job, now: datetime, *, outcome: str, reply: str) -> dict[str, object]:
    """The parameters of `ENDING`, for the try of this attempt."""
    ended = {"ended_moment": now, "ended_outcome": str(outcome), "ended_reply": reply}
    return {"ended_mail": job.subject_id, "ended_attempt": job.attempts, **ended}


def reply_to_handed(session: Session, mail_id: uuid.UUID) -> str | None:
    """What the relay said when it took this mail; None if nothing says that it did."""
    taken = (MailTry.mail_id == mail_id) & (MailTry.outcome == str(MailState.HANDED))
    return session.scalar(select(MailTry.reply).where(taken).limit(1))


def end(
    session: Session, mail_id: uuid.UUID, attempt: int, now: datetime, *, outcome: str, reply: str
) -> None:
    """Record how a try ended, in the transaction that ends the attempt of the job.

    Nothing is recorded of a mail that was erased meanwhile.
    """
    own = (MailTry.mail_id == mail_id, MailTry.attempt == attempt)
    ended = {"ended_at": now, "outcome": str(outcome), "reply": reply}
    if rows.update(session, MailTry, *own, **ended) or session.get(Mail, mail_id) is None:
        return
    # It ended before the relay was asked: the mail could not be encoded.
    session.add(MailTry(mail_id=mail_id, attempt=attempt, began_at=now, **ended))
    session.flush()


def find_by_mails(session: Session, mail_ids: Sequence[uuid.UUID]) -> Sequence[MailTry]:
    """The tries of these mails, oldest first."""
    found = select(MailTry).where(MailTry.mail_id.in_(mail_ids))
    return session.scalars(found.order_by(MailTry.began_at, MailTry.attempt)).all()
