"""Hashes for rows that outlive links: of who wants no mail, of networks, of mails that may bounce.

Their key stands in the database, sealed by the storage keys, and is never renewed: link keys come and go,
and what somebody has refused stays refused. It is made when it is first needed.

Versions before hashed with the link keys. Such rows have no mark. The link keys that were there then are
kept beside our own (see `settle`), for nothing but to find them.
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
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress

from . import hashing_key
from .database import marked_columns
from .sealing import Vault
from .tokens import Tokens

MARK = "2."  # how a hash begins that our own key made
BOUNCE_MARK = 15  # bytes: 24 characters of base32 without padding
# A column that is marked with it holds what `to_keep` made; when it was written stands in `since` beside it.
KEYED_HASH: Final = {"keyed_hash": True}


class LostKey(RuntimeError):
    """Rows are hashed with a key that is not in the database any more: none is made in its place."""


@dataclass(frozen=True)
class Keys:
    """`own` makes new hashes; `before`: link keys of a version before, oldest first."""

    own: str
    before: tuple[str, ...] = ()


class KeyedHashes:
    """Everything raises CannotOpen without the storage key that sealed our key, and LostKey."""

    def __init__(self, vault: Vault, tokens: Tokens) -> None:
        self._vault, self._tokens = vault, tokens
        self._opened: tuple[str, Keys] | None = None

    def to_find(self, session: Session, address: str) -> list[str]:
        """Whatever may stand for an address among those that want no mail."""
        keys = self._found(session)
        about = f"guichet suppression:{address}"
        return [
            *([MARK + _hex(keys.own, about)] if keys else []),
            *(_hex(key, about) for key in self._link_keys(keys)),
        ]

    def to_find_mailbox(self, session: Session, address: str) -> list[str]:
        """The same for its mailbox: by the name it has now, by those of versions before, and by the address itself."""
        read = EmailAddress.stored(address)
        names = (read.mailbox_key(), read.untagged, address)
        return [each for name in dict.fromkeys(names) for each in self.to_find(session, name)]

    def to_keep(self, session: Session, address: str) -> str:
        """What is written down for it. In a writing transaction."""
        return MARK + _hex(self._made(session).own, f"guichet suppression:{address}")

    def stand_in(self, session: Session, address: str) -> str:
        """In place of an address that ended some time ago: 12 hexadecimal digits. In a writing transaction."""
        return _hex(self._made(session).own, f"guichet mailbox:{address}")[:12]

    def of_network(self, session: Session, network: str) -> str:
        """In place of a network that wrong codes came from: 16 hexadecimal digits. In a writing transaction."""
        return _hex(self._made(session).own, f"guichet network:{network}")[:16]

    def bounce_mark(self, session: Session, mail_id: UUID) -> str:
        """What proves that a bounce is about this mail, in lower case. In a writing transaction."""
        return bounce_mark_by(self._made(session).own, mail_id)

    def is_bounce_mark(self, session: Session, mark: str, mail_id: UUID) -> bool:
        """Whether we made it, now or in a version before."""
        keys = self._found(session)
        known = [*([keys.own] if keys else []), *self._link_keys(keys)]
        made = [hmac.compare_digest(mark, bounce_mark_by(key, mail_id)) for key in known]
        return any(made)

    def is_made(self, session: Session) -> bool:
        """Whether our key is there. If so it opens."""
        return self._found(session) is not None

    def settle(self, session: Session, now: datetime) -> None:
        """Have the key, and keep the link keys with which a version before may have hashed since the last time.

        When none of its rows is left they are forgotten. In a writing transaction.
        """
        self._made(session)
        row = hashing_key.lock(session)
        keys = self._open(row.sealed_keys)
        before = keys.before if count(session, marked=False) else ()
        if count(session, marked=False, since=row.settled_at):
            before = tuple(dict.fromkeys((*before, *self._tokens.link_keys)))
        if before != keys.before:
            row.sealed_keys = self._seal(Keys(keys.own, before))
        row.settled_at = now
        session.flush()

    def unsettled(self, session: Session) -> int:
        """How many rows are known by link keys alone: if one of these is removed, they may be found no more."""
        row = hashing_key.find(session)
        return count(session, marked=False, since=row.settled_at if row else None)

    def _found(self, session: Session) -> Keys | None:
        row = hashing_key.find(session)
        if row is not None:
            return self._open(row.sealed_keys)
        if count(session, marked=True):
            # Another node may have made the key, and hashed with it, since this one looked.
            row = hashing_key.find(session)
            if row is not None:
                return self._open(row.sealed_keys)
            _check_that_nothing_is_lost(session)
        return None

    def _made(self, session: Session) -> Keys:
        row = hashing_key.find(session)
        if row is None:
            if hashing_key.make(session, self._seal(Keys(secrets.token_urlsafe(32)))):
                _check_that_nothing_is_lost(session)
            row = hashing_key.lock(session)
        return self._open(row.sealed_keys)

    def _link_keys(self, keys: Keys | None) -> list[str]:
        """Those of now as well: nodes of the version before go on hashing with them during an upgrade."""
        return list(dict.fromkeys((*(keys.before if keys else ()), *self._tokens.link_keys)))

    def _seal(self, keys: Keys) -> str:
        return self._vault.seal(json.dumps({"own": keys.own, "before": keys.before}))

    def _open(self, sealed: str) -> Keys:
        if self._opened is None or self._opened[0] != sealed:
            kept = json.loads(self._vault.open(sealed).get_secret_value())
            self._opened = sealed, Keys(kept["own"], tuple(kept["before"]))
        return self._opened[1]


def count(session: Session, *, marked: bool, since: datetime | None = None) -> int:
    """How many rows our own key hashed, or a link key; written after `since` alone, if given."""
    found = 0
    for hashed in marked_columns(KEYED_HASH):
        query = select(func.count()).where(hashed.startswith(MARK) == marked)
        written = hashed.class_.since
        found += session.scalar(query.where(written > since) if since else query) or 0
    return found


def _check_that_nothing_is_lost(session: Session) -> None:
    if lost := count(session, marked=True):
        raise LostKey(f"the key of {lost} opt-outs and the like is gone from hashing_key")


def _hex(key: str, about: str) -> str:
    return hmac.digest(key.encode(), about.encode(), "sha256").hex()


def bounce_mark_by(key: str, mail_id: UUID) -> str:
    """The mark that one key makes: 24 characters of base32, in lower case."""
    digest = hmac.digest(key.encode(), b"guichet bounce:" + mail_id.bytes, "sha256")
    return base64.b32encode(digest[:BOUNCE_MARK]).decode().lower()
