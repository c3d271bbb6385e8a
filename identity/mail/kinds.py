"""What a story says of its mails: how one is written, whether it still leaves, and what follows from its end.

`mail/` stores, limits, sends and retries mails, and knows nothing of what they are about. Each story has a
`MailKind` for each of its templates in its `mails.py`; `identity/mail_kinds.py` gathers them.
"""

from collections.abc import Callable
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
    """The reason of this mail ended before it left."""


class Fate(StrEnum):
    """What becomes of a mail whose turn has come."""

    SENT = "sent"
    WITHHELD = "withheld"  # over a limit the person is not told of
    DROPPED = "dropped"  # nobody waits for it
    SUPPRESSED = "suppressed"  # its mailbox does not exist


@dataclass(frozen=True)
class MailTurn:
    """A mail whose turn has come, and what a story needs to decide about it and to write it."""

    session: Session
    mail: Mail
    now: datetime
    settings: Settings
    rules: RuleSet
    tokens: Tokens
    vault: Vault
    hashes: KeyedHashes


def in_both_languages(_session: Session, _mail: Mail) -> str:
    """Nothing is known of the reader."""
    return ""


def leaves_now(_session: Session, _now: datetime, _mail: Mail) -> datetime | None:
    """Nothing joins this mail, and it waits for no other."""
    return None


def nothing_follows(_session: Session, _now: datetime, _mail: Mail) -> None:
    """The end of this mail changes nothing else."""


def nobody_is_told(_session: Session, _now: datetime, _mail: Mail, _words: str) -> None:
    """That this mail did not arrive changes nothing else."""


def is_no_complaint(_session: Session, _hashes: KeyedHashes, _now: datetime, _address: str) -> bool:
    """Whoever asked for a mail themselves goes on getting what they ask for."""
    return False


@dataclass(frozen=True, kw_only=True)
class MailKind:
    """One kind of mail. Every function runs inside a transaction and reaches no network."""

    compose: Callable[[MailTurn, Frame], EmailMessage]
    """Write it; codes and links are made here. Raises NoLongerWanted."""
    decide: Callable[[MailTurn], Fate] | None = None
    """What becomes of it; None: it leaves, unless its mailbox does not exist."""
    language: Callable[[Session, Mail], str] = in_both_languages
    """The language of one that was ordered without; "" for all languages."""
    close: Callable[[Session, datetime, Mail], datetime | None] = leaves_now
    """From now on nothing joins it. If it must wait once more: until when."""
    on_handed: Callable[[Session, datetime, Mail], None] = nothing_follows
    """The relay took it."""
    on_refused: Callable[[Session, datetime, Mail, str], None] = nobody_is_told
    """It will not arrive; in words for who caused it."""
    on_uncertain: Callable[[Session, datetime, Mail], None] = nothing_follows
    """The connection ended before the relay's answer: it may have been taken."""
    on_not_tried: Callable[[Session, datetime, Mail], None] = nothing_follows
    """Its mailbox did not exist when it was last written to: it ended without leaving."""
    on_dropped: Callable[[Session, datetime, Mail], None] = nothing_follows
    """Its reason ended before it left."""
    on_complaint: Callable[[Session, KeyedHashes, datetime, str], bool] = is_no_complaint
    """Its reader, at this address, called it spam. Whether anything follows."""
