"""What is stored of the mails to a person, and of the mails they get no more."""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, func, literal, or_, select

from identity.core import outbox
from identity.core.outbox import Job
from identity.core.personal_data import Erasure, Person, Record, View, happened
from identity.core.story import Events, events

from . import tries
from .models import Mail, MailState
from .suppressions import Suppression
from .tries import MailTry

MEANING = {
    MailState.WAITING: "waits",
    MailState.HANDED: "taken by the mail server",
    MailState.REFUSED: "refused by the mail server",
    MailState.GAVE_UP: "given up",
    MailState.DROPPED: "not sent: its reason had ended",
    MailState.WITHHELD: "not sent: over a limit",
}


def records_of(view: View) -> Iterator[Record]:
    """The mails, with what the mail server replied; and why mails are kept away."""
    found = select(Mail).where(_is_to(view.person)).order_by(Mail.created_at, Mail.id)
    rows = view.session.scalars(found).all()
    tried = tries.find_by_mails(view.session, [mail.id for mail in rows])
    for mail in rows:
        yield _described(view, mail, [each for each in tried if each.mail_id == mail.id])
    hashed = suppression_hashes(view)
    kept_away = select(Suppression).where(Suppression.address_hash.in_(hashed))
    for each in view.session.scalars(kept_away.order_by(Suppression.since)):
        yield Record(
            "suppressions",
            {"why": each.why, "since": each.since, "until": each.until, "times": each.strikes},
            happened((each.since, f"no more mails: {each.why.replace('_', ' ')}")),
        )


def events_of(view: View) -> Iterator[Events]:
    """Mails as they were ordered and as they ended, and what keeps mails away."""
    row, mine = Mail, _is_to(view.person)
    yield events("mail-ordered", row.created_at, row.id, mine, detail=row.template)
    ended_at = func.coalesce(row.ended_at, row.handed_at)
    ended = literal("mail-") + row.state
    yield events(ended, ended_at, row.id, mine, detail=row.template, note=row.last_reply)
    away = Suppression.address_hash.in_(suppression_hashes(view))
    yield events("mail-suppressed", Suppression.since, Suppression.id, away, detail=Suppression.why)


def erase(erasure: Erasure) -> None:
    """Delete the mails with their jobs, also those that wait, and the suppressions."""
    session = erasure.session
    of_person = select(Mail.id).where(_is_to(erasure.person))
    waiting = session.scalars(of_person.where(Mail.state == MailState.WAITING)).all()
    if waiting:
        erasure.done.ended.append(f"{len(waiting)} mails that waited are not sent")
    erasure.delete("jobs", Job, Job.subject_id.in_(of_person))
    erasure.delete("mails", Mail, _is_to(erasure.person))
    hashed = suppression_hashes(erasure)
    erasure.delete("suppressions", Suppression, Suppression.address_hash.in_(hashed))


def suppression_hashes(view: View) -> list[str]:
    """All hashes under which suppressions and mutes of this person may be stored."""
    of_addresses = (
        each
        for address in view.person.addresses
        for each in view.hashes.hashes_of_mailbox(view.session, address)
    )
    return list(dict.fromkeys(of_addresses))


def _described(view: View, mail: Mail, tried: Sequence[MailTry]) -> Record:
    job = outbox.find_by_subject(view.session, mail.id)
    reply = f": {mail.last_reply}" if mail.last_reply else ""
    ended = mail.ended_at or mail.handed_at or (job.done_at or job.gave_up_at if job else None)
    meaning = MEANING[MailState(mail.state)]
    so_far = f"ordered; {meaning}{reply}"
    return Record(
        "mails",
        {
            "id": str(mail.id),
            "kind": mail.template,
            "to": mail.address,
            "language": mail.language,
            "state": mail.state,
            "meaning": meaning,
            "ordered_at": mail.created_at,
            "due_at": mail.goes_at,
            "handed_over_at": mail.handed_at,
            "outcome": mail.outcome,
            "last_reply": mail.last_reply,
            "tries": job.attempts if job else None,
            "next_try_at": job.due_at if job and mail.state == MailState.WAITING else None,
            "replies": [
                {"at": each.ended_at, "outcome": each.outcome, "reply": each.reply}
                for each in tried
            ],
        },
        happened(
            (mail.created_at, f"mail {mail.template} {'ordered' if ended else so_far}"),
            (ended, f"mail {mail.template} {meaning}{reply}"),
        ),
    )


def _is_to(person: Person) -> ColumnElement[bool]:
    return or_(Mail.address.in_(person.addresses), Mail.mailbox == person.mailbox)
