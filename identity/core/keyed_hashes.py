"""Keyed hashes (HMAC-SHA-256) stored in place of addresses and networks, and as marks in bounces.

Opt-outs are found by such a hash for ever, so their key is never rotated, unlike the link keys. It
is stored in the database, sealed by the storage keys, and made when it is first needed.

Earlier versions hashed with the link keys; those rows have no mark `2.`. `settle` stores the link
keys of that time beside our own key, so that these rows can still be found.
"""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.addresses import EmailAddress

from . import inserting
from .database import Base, marked_columns
from .sealed_columns import SEALED
from .sealing import Vault
from .tokens import Tokens

ONLY = 1
HELD = "hashing_key"  # in the facts of a session
MARK = "2."  # prefix of hashes made with our own key
BOUNCE_MARK = 15  # bytes: 24 characters of base32 without padding
# Marks columns with values of `hash_of_address`; their tables have the time of writing in `since`.
KEYED_HASH: Final = {"keyed_hash": True}


class LostKey(RuntimeError):
    """Rows are hashed with a key that is no longer in the database. No new key replaces it."""


class HashingKey(Base):
    """The key, sealed, in the one row. Without it no hashed address can be found again."""

    __tablename__ = "hashing_key"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed_keys: Mapped[str] = mapped_column(info=SEALED)  # JSON
    # Rows hashed with link keys before this: those keys are stored here.
    settled_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Keys:
    """`own` makes new hashes; `before`: link keys used by earlier versions, oldest first."""

    own: str
    before: tuple[str, ...] = ()


class KeyedHashes:
    """Makes and finds keyed hashes.

    All methods raise CannotOpen without the storage key that sealed our key, and LostKey.
    """

    def __init__(self, vault: Vault, tokens: Tokens) -> None:
        self._vault, self._tokens = vault, tokens
        self._opened: tuple[str, Keys] | None = None
        self._own: str | None = None

    def hashes_of_address(self, session: Session, address: str) -> list[str]:
        """All hashes under which this address may be stored among the opt-outs."""
        keys = self._found(session)
        about = f"guichet suppression:{address}"
        return [
            *([MARK + _hex(keys.own, about)] if keys else []),
            *(_hex(key, about) for key in self._link_keys(keys)),
        ]

    def hashes_of_mailbox(self, session: Session, address: str) -> list[str]:
        """The same for the mailbox of an address, by its key now and in earlier versions."""
        read = EmailAddress.stored(address)
        names = (read.mailbox_key(), read.untagged, address)
        return [
            each for name in dict.fromkeys(names) for each in self.hashes_of_address(session, name)
        ]

    def hash_of_address(self, session: Session, address: str) -> str:
        """The hash to store for an address. Needs a writing transaction."""
        return MARK + _hex(self._made(session).own, f"guichet suppression:{address}")

    def pseudonym_of(self, session: Session, address: str) -> str:
        """Replaces an address in old rows: 12 hexadecimal digits. Needs a writing transaction."""
        return _hex(self._made(session).own, f"guichet mailbox:{address}")[:12]

    def find_pseudonym(self, session: Session, address: str) -> str | None:
        """The pseudonym of an address, if the key for it was ever made."""
        keys = self._found(session)
        return _hex(keys.own, f"guichet mailbox:{address}")[:12] if keys else None

    def journal_name(self, session: Session, mailbox: str) -> str:
        """What the journal calls the owner of a mailbox: `person:` and 24 hexadecimal digits.

        Needs a writing transaction.
        """
        return _journal_name(self._made(session), mailbox)

    def find_journal_name(self, session: Session, mailbox: str) -> str | None:
        """The same, if the key for it was ever made."""
        keys = self._found(session)
        return _journal_name(keys, mailbox) if keys else None

    def journal_name_of_user(self, session: Session, user_id: str) -> str:
        """What the journal calls a user, whose ID may be made from an address: `user:` and 24 digits.

        Needs a writing transaction.
        """
        return _user_name(self._made(session), user_id)

    def find_journal_name_of_user(self, session: Session, user_id: str) -> str | None:
        """The same, if the key for it was ever made."""
        keys = self._found(session)
        return _user_name(keys, user_id) if keys else None

    def hash_for_erasures(self, session: Session, name: str) -> str:
        """How the erasure log names an address or a user ID. Needs a writing transaction."""
        return _hex(self._made(session).own, f"guichet erasure:{name}")

    def key_id(self, session: Session) -> str:
        """Tells our key from any other: 16 hexadecimal digits. Needs a writing transaction."""
        return _hex(self._made(session).own, "guichet key")[:16]

    def hash_of_network(self, session: Session, network: str) -> str:
        """Replaces a network: 16 hexadecimal digits. Needs a writing transaction."""
        return _hex(self._made(session).own, f"guichet network:{network}")[:16]

    def mark_of_address(self, session: Session, address: str) -> str | None:
        """Stands for an address in the log: 16 hexadecimal digits. None until our key is made."""
        # The key is never renewed, so it is read once: every request would else ask for it.
        if self._own is None and (keys := self._found(session)):
            self._own = keys.own
        return mark_by(self._own, address) if self._own else None

    def mark_without_database(self, address: str) -> str | None:
        """The same, if this process has read our key before."""
        return mark_by(self._own, address) if self._own else None

    def bounce_mark(self, session: Session, mail_id: UUID) -> str:
        """Proves in a bounce that we sent this mail. Lower case. Needs a writing transaction."""
        return bounce_mark_by(self._made(session).own, mail_id)

    def is_bounce_mark(self, session: Session, mark: str, mail_id: UUID) -> bool:
        """Whether we made this mark for this mail, with our key or with a link key."""
        keys = self._found(session)
        known = [*([keys.own] if keys else []), *self._link_keys(keys)]
        made = [hmac.compare_digest(mark, bounce_mark_by(key, mail_id)) for key in known]
        return any(made)

    def make(self, session: Session) -> None:
        """Make our key if there is none. Needs a writing transaction."""
        self._made(session)

    def is_made(self, session: Session) -> bool:
        """Whether our key exists; it can be opened then."""
        return self._found(session) is not None

    def settle(self, session: Session, now: datetime) -> None:
        """Make our key if needed, and store the link keys earlier versions may have hashed with.

        They are forgotten when no row needs them any more. Needs a writing transaction.
        """
        self._made(session)
        row = _locked(session)
        keys = self._open(row.sealed_keys)
        before = keys.before if count_hashed_rows(session, marked=False) else ()
        if count_hashed_rows(session, marked=False, since=row.settled_at):
            before = tuple(dict.fromkeys((*before, *self._tokens.link_keys)))
        if before != keys.before:
            row.sealed_keys = self._seal(Keys(keys.own, before))
        row.settled_at = now
        session.flush()

    def unsettled(self, session: Session) -> int:
        """How many rows only the current link keys find: removing one of these may lose rows."""
        row = session.get(HashingKey, ONLY)
        return count_hashed_rows(session, marked=False, since=row.settled_at if row else None)

    def _found(self, session: Session) -> Keys | None:
        # Sessions forget rows that nobody holds, and would ask again for every hash.
        row = session.info[HELD] = session.get(HashingKey, ONLY)
        if row is not None:
            return self._open(row.sealed_keys)
        if count_hashed_rows(session, marked=True):
            # Another node may have made the key and hashed with it since the query above.
            row = session.get(HashingKey, ONLY)
            if row is not None:
                return self._open(row.sealed_keys)
            _check_that_nothing_is_lost(session)
        return None

    def _made(self, session: Session) -> Keys:
        row = session.get(HashingKey, ONLY)
        if row is None:
            sealed = self._seal(Keys(secrets.token_urlsafe(32)))
            # Another node may insert it just now.
            if inserting.insert_if_new(session, HashingKey, {"id": ONLY, "sealed_keys": sealed}):
                _check_that_nothing_is_lost(session)
            row = _locked(session)
        return self._open(row.sealed_keys)

    def _link_keys(self, keys: Keys | None) -> list[str]:
        """The current ones too: during an upgrade, older nodes still hash with them."""
        return list(dict.fromkeys((*(keys.before if keys else ()), *self._tokens.link_keys)))

    def _seal(self, keys: Keys) -> str:
        return self._vault.seal(json.dumps({"own": keys.own, "before": keys.before}))

    def _open(self, sealed: str) -> Keys:
        if self._opened is None or self._opened[0] != sealed:
            stored = json.loads(self._vault.open(sealed).get_secret_value())
            self._opened = sealed, Keys(stored["own"], tuple(stored["before"]))
        return self._opened[1]


def count_hashed_rows(session: Session, *, marked: bool, since: datetime | None = None) -> int:
    """Count rows hashed with our own key (`marked`) or with a link key, since a time if given."""
    found = 0
    for hashed in marked_columns(KEYED_HASH):
        query = select(func.count()).where(hashed.startswith(MARK) == marked)
        written = hashed.class_.since
        found += session.scalar(query.where(written > since) if since else query) or 0
    return found


def _locked(session: Session) -> HashingKey:
    """The current row, locked for this transaction. It must exist."""
    only = select(HashingKey).where(HashingKey.id == ONLY)
    return session.scalars(only.with_for_update().execution_options(populate_existing=True)).one()


def _check_that_nothing_is_lost(session: Session) -> None:
    if lost := count_hashed_rows(session, marked=True):
        raise LostKey(f"the key of {lost} opt-outs and the like is gone from hashing_key")


def _journal_name(keys: Keys, mailbox: str) -> str:
    return f"person:{_hex(keys.own, f'guichet journal:{mailbox}')[:24]}"


def _user_name(keys: Keys, user_id: str) -> str:
    return f"user:{_hex(keys.own, f'guichet journal:{user_id}')[:24]}"


def _hex(key: str, about: str) -> str:
    return hmac.digest(key.encode(), about.encode(), "sha256").hex()


def mark_by(key: str, address: str) -> str:
    """The mark that stands for an address in the log, made with this key."""
    return _hex(key, f"guichet log:{address}")[:16]


def bounce_mark_by(key: str, mail_id: UUID) -> str:
    """The bounce mark for a mail, made with this key: 24 characters of base32, in lower case."""
    digest = hmac.digest(key.encode(), b"guichet bounce:" + mail_id.bytes, "sha256")
    return base64.b32encode(digest[:BOUNCE_MARK]).decode().lower()
