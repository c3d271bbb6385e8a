"""What became of a mail, and what follows from it for the invitation it carried and for its address."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.accounts import models as accounts
from identity.core.keyed_hashes import KeyedHashes
from identity.invitations import mail_grouping as invitation_mails
from identity.invitations import opting_out
from identity.invitations import service as invitations
from identity.invitations.history import Happened
from identity.invitations.models import State

from . import models as mails
from . import suppressions
from .models import INVITING, Mail, MailState
from .outcomes import Outcome
from .suppressions import Why

BY = "mail"
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
UNCERTAIN = "not certain: the connection ended before the answer"


def handed(session: Session, now: datetime, mail: Mail, reply: str) -> None:
    """The relay took it."""
    mail.state, mail.handed_at = MailState.HANDED, now
    mail.outcome, mail.last_reply = None, reply
    session.flush()
    invitations.mail_left(session, now, mail)


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
        _tell_uncertain(session, now, mail)
        return True
    if outcome is Outcome.NO_MAILBOX:
        _strike(session, hashes, now, mail.address)
    _tell_refused(session, now, mail, WORDS.get(outcome, IN_TIME))
    return True


def not_tried(session: Session, now: datetime, mail: Mail) -> None:
    """The address has no mailbox, as was said before: the mail ends here, and that is no further strike."""
    mails.lock_address(session, mail.address)  # before its rows, as all others do
    mail.state, mail.outcome = MailState.REFUSED, Outcome.NO_MAILBOX
    mail.last_reply = NOT_TRIED
    session.flush()
    _tell_refused(session, now, mail, WORDS[Outcome.NO_MAILBOX])
    invitation_mails.go_on(session, now, mail)


def complained(session: Session, hashes: KeyedHashes, now: datetime, mail: Mail) -> bool:
    """Its reader called it spam: no more invitations go there. False: it was none, and codes are asked for."""
    if mail.template not in INVITING:
        return False
    opting_out.opt_out(session, hashes, now, mail.address)
    return True


def is_suppressed(session: Session, hashes: KeyedHashes, now: datetime, mail: Mail) -> bool:
    """Whether this mail must not be tried. What the owner of an account asks for waits a day at most."""
    found = suppressions.find(session, hashes.to_find(session, mail.address), Why.NO_MAILBOX)
    if found is None or (found.until is not None and now >= found.until):
        return False
    if mail.template in INVITING or accounts.of_address(session, mail.address) is None:
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


def _tell_refused(session: Session, now: datetime, mail: Mail, words: str) -> None:
    for each in invitation_mails.about(session, now, mail):
        invitations.note(session, now, each, State.REFUSED, Happened.REFUSED, by=BY, detail=words)


def _tell_uncertain(session: Session, now: datetime, mail: Mail) -> None:
    for each in invitation_mails.about(session, now, mail):
        invitations.note(session, now, each, State.SENT, Happened.SENT, by=BY, detail=UNCERTAIN)
