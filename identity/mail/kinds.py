"""What a story defines about each kind of mail it sends: text, cancellation, consequences.

The package `identity.mail` stores, limits, sends and retries mails without knowing what they are
about. Each story defines one `MailKind` per template in its `mails.py`; `identity/mail_kinds.py`
maps templates to kinds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from enum import StrEnum

from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.core.keyed_hashes import KeyedHashes
from identity.core.sealing import Vault
from identity.core.tokens import Tokens
from identity.settings import Settings

from .composing import Frame
from .models import Mail


class NoLongerWanted(Exception):
    """The reason for this mail ended before the mail was sent."""


class Fate(StrEnum):
    """What happens to a mail that is due."""

    SENT = "sent"
    WITHHELD = "withheld"  # over a limit that the recipient is not told about
    DROPPED = "dropped"  # nobody is waiting for it any more
    SUPPRESSED = "suppressed"  # the recipient's mailbox does not exist


@dataclass(frozen=True)
class MailTurn:
    """A mail that is due, with everything a story needs to decide about it and to write it."""

    session: Session
    mail: Mail
    now: datetime
    settings: Settings
    rules: RuleSet
    tokens: Tokens
    vault: Vault
    hashes: KeyedHashes


def foresee_nothing(
    _session: Session, _hashes: KeyedHashes, _now: datetime, _mails: Sequence[Mail]
) -> object:
    """Default for `foresee`: what a mail needs is read for each mail."""
    return None


def in_both_languages(_session: Session, _mail: Mail) -> str:
    """Default for `language`: the reader's language is unknown."""
    return ""


def leaves_now(_session: Session, _now: datetime, _mail: Mail) -> datetime | None:
    """Default for `close`: nothing is added to this mail, and it waits for no other."""
    return None


def nothing_follows(_session: Session, _now: datetime, _mail: Mail) -> None:
    """Default for events that change nothing outside the mail itself."""


def nothing_follows_delay(_session: Session, _mail: Mail, _was: datetime) -> None:
    """Default for `on_late`: nobody was told when the mail was to leave."""


def nothing_follows_refusal(_session: Session, _now: datetime, _mail: Mail, _reason: str) -> None:
    """Default for `on_refused`: the refusal changes nothing outside the mail itself."""


def ignore_complaint(
    _session: Session, _hashes: KeyedHashes, _now: datetime, _address: str
) -> bool:
    """Default for `on_complaint`: people who request mails themselves keep receiving them."""
    return False


@dataclass(frozen=True, kw_only=True)
class MailKind:
    """One kind of mail. Every function runs inside a transaction and must not use the network."""

    compose: Callable[[MailTurn, Frame], EmailMessage]
    """Write the mail; its codes and links are created here. Raises NoLongerWanted."""
    foresee: Callable[[Session, KeyedHashes, datetime, Sequence[Mail]], object] = foresee_nothing
    """Read at once what the other functions will ask for about several mails, each to a mailbox of
    its own. What it returns is kept while they are written: rows that nobody keeps are read again."""
    decide: Callable[[MailTurn], Fate] | None = None
    """Decide what happens to it. None: it is sent unless its mailbox does not exist."""
    language: Callable[[Session, Mail], str] = in_both_languages
    """The language of a mail ordered without one; "" for all languages."""
    is_for_operators: bool = False
    """Whether those who run the service get it: such mails are never frozen."""
    check_held: Callable[[Session, datetime, Mail], None] = nothing_follows
    """Raises Stopped if operators have stopped what it is about, beside freezes."""
    on_late: Callable[[Session, Mail, datetime], None] = nothing_follows_delay
    """It was held, and leaves now. The last argument is when it was to leave."""
    close: Callable[[Session, datetime, Mail], datetime | None] = leaves_now
    """Let nothing more be added to it. Returns the time to wait for, or None to send it now."""
    on_handed: Callable[[Session, datetime, Mail], None] = nothing_follows
    """The relay accepted it."""
    on_all_handed: Callable[[Session, datetime, Sequence[Mail]], None] | None = None
    """The same for several mails at once. None: one after the other."""
    on_refused: Callable[[Session, datetime, Mail, str], None] = nothing_follows_refusal
    """It will not arrive. The last argument is the reason, as text for the person who caused it."""
    on_uncertain: Callable[[Session, datetime, Mail], None] = nothing_follows
    """The connection ended before the relay answered: the mail may have been accepted."""
    on_not_tried: Callable[[Session, datetime, Mail], None] = nothing_follows
    """It was not sent, since an earlier mail to this mailbox was refused as nonexistent."""
    on_dropped: Callable[[Session, datetime, Mail], None] = nothing_follows
    """Its reason ended before it was sent."""
    on_complaint: Callable[[Session, KeyedHashes, datetime, str], bool] = ignore_complaint
    """The recipient at this address reported it as spam. Returns whether anything changed."""
