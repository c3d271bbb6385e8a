"""Records the outcome of a mail, and what follows from it for its address and its story."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes

from . import models as mails, suppressions
from .kinds import MailKind
from .models import Mail, MailState
from .outcomes import Outcome
from .quota import INVITING
from .suppressions import SuppressionReason

SUPPRESSED_FOR = timedelta(hours=24)  # the first time; the second time until an operator lifts it
TOO_LATE = "could not be delivered in time"
# Texts that the inviter reads.
REASON_TEXTS = {
    Outcome.NO_MAILBOX: "no such mailbox",
    Outcome.MAILBOX_FULL: "mailbox full",
    Outcome.BAD_DOMAIN: "domain without mail",
    Outcome.BLOCKED: "their filter refuses our mail",
    Outcome.CONTENT: "the mail could not be sent, by a fault of ours",
    Outcome.REFUSED: "their mail server refuses it",
}
NOT_TRIED = "not tried: the mailbox did not exist when it was last written to"


def record_handed(
    session: Session, now: datetime, mail: Mail, reply: str, *, kind: MailKind
) -> None:
    """The relay accepted the mail with this reply."""
    record_all_handed(session, now, [(mail, reply)], kind=kind)


def record_all_handed(
    session: Session, now: datetime, handed: Sequence[tuple[Mail, str]], *, kind: MailKind
) -> None:
    """The relay accepted these mails of one kind, each with this reply."""
    for mail, reply in handed:
        mail.state, mail.handed_at, mail.ended_at = MailState.HANDED, now, now
        mail.outcome, mail.last_reply = None, reply
    session.flush()
    found = [mail for mail, _ in handed]
    if kind.on_all_handed is not None:
        kind.on_all_handed(session, now, found)
        return
    for mail in found:
        kind.on_handed(session, now, mail)


def record_delayed(session: Session, mail: Mail, *, outcome: Outcome, reply: str) -> None:
    """Nothing is decided yet: only the latest reply is stored."""
    if mail.state != MailState.REFUSED:
        mail.outcome, mail.last_reply = outcome, reply
        session.flush()


def record_refused(
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
    """The mail will not arrive: store why, suppress a missing mailbox, and let its story react.

    `state`: REFUSED or GAVE_UP. Returns False if the mail was refused already, as for a bounce that
    arrives twice; then nothing changes.
    """
    mails.lock_address(session, mail.address)
    session.refresh(mail)
    if mail.state == MailState.REFUSED:
        return False
    mail.state, mail.outcome, mail.last_reply, mail.ended_at = state, outcome, reply, now
    session.flush()
    if outcome is Outcome.UNKNOWN:
        # It may have been accepted, so nobody is told that it failed.
        kind.on_uncertain(session, now, mail)
        return True
    if outcome is Outcome.NO_MAILBOX:
        _strike(session, hashes, now, mail.address)
    kind.on_refused(session, now, mail, REASON_TEXTS.get(outcome, TOO_LATE))
    return True


def record_not_tried(session: Session, now: datetime, mail: Mail, *, kind: MailKind) -> None:
    """End a mail that was not sent, since its mailbox is known not to exist.

    This does not count as another strike against the address.
    """
    mails.lock_address(
        session, mail.address
    )  # before its rows, in the order that everything else uses
    mail.state, mail.outcome = MailState.REFUSED, Outcome.NO_MAILBOX
    mail.last_reply = NOT_TRIED
    session.flush()
    kind.on_refused(session, now, mail, REASON_TEXTS[Outcome.NO_MAILBOX])
    kind.on_not_tried(session, now, mail)


def record_dropped(session: Session, now: datetime, mail: Mail, *, kind: MailKind) -> None:
    """The reason for the mail ended before it was sent."""
    mails.lock_address(session, mail.address)
    mail.state = MailState.DROPPED
    session.flush()
    kind.on_dropped(session, now, mail)


def is_suppressed(
    session: Session, hashes: KeyedHashes, now: datetime, mail: Mail, *, has_account: bool
) -> bool:
    """Whether this mail must not be sent, since its mailbox did not exist lately.

    A mail that the owner of an account requested is held back for a day at most.
    """
    found = suppressions.find(
        session, hashes.hashes_of_address(session, mail.address), SuppressionReason.NO_MAILBOX
    )
    if found is None or (found.until is not None and now >= found.until):
        return False
    if mail.template in INVITING or not has_account:
        return True
    return now < found.since + SUPPRESSED_FOR


def find_suppressed(session: Session, hashes: KeyedHashes, addresses: Collection[str]) -> set[str]:
    """Those of these addresses whose mailbox did not exist at some time, see `is_suppressed`."""
    of_hash = {
        each: address
        for address in addresses
        for each in hashes.hashes_of_address(session, address)
    }
    found = suppressions.find_hashes(session, of_hash, SuppressionReason.NO_MAILBOX)
    return {of_hash[each] for each in found}


def lift_suppression(session: Session, hashes: KeyedHashes, address: str) -> bool:
    """Let mails go to this address again. Returns False if they did anyway."""
    known = hashes.hashes_of_address(session, address)
    stood = suppressions.find(session, known, SuppressionReason.NO_MAILBOX) is not None
    suppressions.lift(session, known, SuppressionReason.NO_MAILBOX)
    return stood


def _strike(session: Session, hashes: KeyedHashes, now: datetime, address: str) -> None:
    """Suppress the address: for a day the first time, without end after a further failure.

    Mails that were under way together count once.
    """
    found = suppressions.find(
        session, hashes.hashes_of_address(session, address), SuppressionReason.NO_MAILBOX
    )
    if found is None:
        address_hash = hashes.hash_of_address(session, address)
        suppressions.add(
            session, now, address_hash, SuppressionReason.NO_MAILBOX, until=now + SUPPRESSED_FOR
        )
    elif found.until is not None and now >= found.until:
        found.address_hash = hashes.hash_of_address(
            session, address
        )  # an older key may have made it
        found.since, found.until, found.strikes = now, None, found.strikes + 1
        session.flush()
