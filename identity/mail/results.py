"""What became of a mail, and what follows from it: for its address here, for all else by its kind."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes

from . import models as mails
from . import suppressions
from .kinds import MailKind
from .models import INVITING, Mail, MailState
from .outcomes import Outcome
from .suppressions import Why

SUPPRESSED_FOR = timedelta(hours=24)  # the first time; the second time until somebody corrects it
IN_TIME = "could not be delivered in time"
# What the inviter reads.
WORDS = {
    Outcome.NO_MAILBOX: "no such mailbox",
    Outcome.MAILBOX_FULL: "mailbox full",
    Outcome.BAD_DOMAIN: "domain without mail",
    Outcome.BLOCKED: "their filter refuses our mail",
    Outcome.CONTENT: "the mail could not be sent, by a fault of ours",
    Outcome.REFUSED: "their mail server refuses it",
}
NOT_TRIED = "not tried: the mailbox did not exist when it was last written to"


def handed(session: Session, now: datetime, mail: Mail, reply: str, *, kind: MailKind) -> None:
    """The relay took it."""
    mail.state, mail.handed_at = MailState.HANDED, now
    mail.outcome, mail.last_reply = None, reply
    session.flush()
    kind.on_handed(session, now, mail)


def delayed(session: Session, mail: Mail, *, outcome: Outcome, reply: str) -> None:
    """Nothing is decided: only what was said last is kept."""
    if mail.state != MailState.REFUSED:
        mail.outcome, mail.last_reply = outcome, reply
        session.flush()


def refused(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    mail: Mail,
    *,
    outcome: Outcome,
    reply: str,
    kind: MailKind,
    state: MailState = MailState.REFUSED,
) -> bool:
    """The mail will not arrive: the inviter is told, and an address without a mailbox is left alone.

    False: that was known, as of a bounce that came twice; nothing changes.
    """
    mails.lock_address(session, mail.address)
    session.refresh(mail)
    if mail.state == MailState.REFUSED:
        return False
    mail.state, mail.outcome, mail.last_reply = state, outcome, reply
    session.flush()
    if outcome is Outcome.UNKNOWN:
        # Perhaps it was taken: the person may come, so nobody is told that it failed.
        kind.on_uncertain(session, now, mail)
        return True
    if outcome is Outcome.NO_MAILBOX:
        _strike(session, hashes, now, mail.address)
    kind.on_refused(session, now, mail, WORDS.get(outcome, IN_TIME))
    return True


def not_tried(session: Session, now: datetime, mail: Mail, *, kind: MailKind) -> None:
    """The address has no mailbox, as was said before: the mail ends here, and that is no further strike."""
    mails.lock_address(session, mail.address)  # before its rows, as all others do
    mail.state, mail.outcome = MailState.REFUSED, Outcome.NO_MAILBOX
    mail.last_reply = NOT_TRIED
    session.flush()
    kind.on_refused(session, now, mail, WORDS[Outcome.NO_MAILBOX])
    kind.on_not_tried(session, now, mail)


def dropped(session: Session, now: datetime, mail: Mail, *, kind: MailKind) -> None:
    """Its reason ended before it left."""
    mails.lock_address(session, mail.address)
    mail.state = MailState.DROPPED
    session.flush()
    kind.on_dropped(session, now, mail)


def complained(
    session: Session, hashes: KeyedHashes, now: datetime, mail: Mail, *, kind: MailKind
) -> bool:
    """Its reader called it spam. False: nothing follows, as of a code that was asked for."""
    return kind.on_complaint(session, hashes, now, mail.address)


def is_suppressed(
    session: Session, hashes: KeyedHashes, now: datetime, mail: Mail, *, has_account: bool
) -> bool:
    """Whether this mail must not be tried. What the owner of an account asks for waits a day at most."""
    found = suppressions.find(session, hashes.to_find(session, mail.address), Why.NO_MAILBOX)
    if found is None or (found.until is not None and now >= found.until):
        return False
    if mail.template in INVITING or not has_account:
        return True
    return now < found.since + SUPPRESSED_FOR


def allow(session: Session, hashes: KeyedHashes, address: str) -> bool:
    """The mailbox exists after all: mails go to this address again. False: they did anyway."""
    known = hashes.to_find(session, address)
    stood = suppressions.find(session, known, Why.NO_MAILBOX) is not None
    suppressions.lift(session, known, Why.NO_MAILBOX)
    return stood


def _strike(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> None:
    """The first lasts a day; one after that day lasts. Mails that were under way together count once."""
    found = suppressions.find(session, hashes.to_find(session, address), Why.NO_MAILBOX)
    if found is None:
        kept = hashes.to_keep(session, address)
        suppressions.add(session, now, kept, Why.NO_MAILBOX, until=now + SUPPRESSED_FOR)
    elif found.until is not None and now >= found.until:
        found.address_hash = hashes.to_keep(session, address)  # a version before may have made it
        found.since, found.until, found.strikes = now, None, found.strikes + 1
        session.flush()
