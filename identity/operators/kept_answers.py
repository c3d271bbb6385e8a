"""Answers to writing calls with an Idempotency-Key, kept for a day: sent twice, a call is done once.

The row is written in the transaction of what is done. So of two equal calls at the same time, the
second waits for the first and gets its answer; and what is rolled back leaves no row.
"""

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.inserting import insert_if_new
from identity.core.sealed_columns import SEALED
from identity.core.sealing import Vault
from identity.problems import KeyReused

KEPT: Final = timedelta(hours=24)
LONGEST_KEY: Final = 64  # characters


class KeptAnswer(Base):
    """One answer. Neither the key nor the request is stored, only their hashes."""

    __tablename__ = "idempotent_answers"

    token_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(index=True)
    answer: Mapped[str] = mapped_column(info=SEALED)  # it may name people


@dataclass(frozen=True)
class Answer:
    """What a call answered. `location`: a path. `version`: of a draft, for its ETag."""

    body: dict[str, Any]
    status: int = 200
    location: str | None = None
    version: int | None = None


@dataclass(frozen=True)
class Call:
    """A call that may be sent again. `request`: all that makes it this one, also its body."""

    token_id: uuid.UUID
    key: str
    request: bytes

    @property
    def key_hash(self) -> str:
        """The key as it is stored."""
        return hashlib.sha256(self.key.encode()).hexdigest()

    @property
    def request_hash(self) -> str:
        """The request as it is stored."""
        return hashlib.sha256(self.request).hexdigest()


def begin(session: Session, vault: Vault, now: datetime, call: Call) -> Answer | None:
    """The answer of the first time, or None: then do it, and `keep` the answer.

    Raises KeyReused if the key belongs to another request, and CannotOpen.
    """
    row = KeptAnswer
    own = (row.token_id == call.token_id, row.key_hash == call.key_hash)
    rows.delete(session, row, *own, row.made_at <= now - KEPT)
    values = {
        "token_id": call.token_id,
        "key_hash": call.key_hash,
        "request_hash": call.request_hash,
        "made_at": now,
        "answer": "",  # nobody sees it before `keep`
    }
    if insert_if_new(session, row, values):
        return None
    found = session.get_one(row, (call.token_id, call.key_hash))
    if found.request_hash != call.request_hash:
        raise KeyReused
    return Answer(**json.loads(vault.open(found.answer).get_secret_value()))


def keep(session: Session, vault: Vault, call: Call, answer: Answer) -> None:
    """Store the answer of a call that has begun."""
    row = KeptAnswer
    own = (row.token_id == call.token_id, row.key_hash == call.key_hash)
    sealed = vault.seal(json.dumps(asdict(answer)))
    rows.update(session, row, *own, answer=sealed)


def forget(session: Session, now: datetime, *, limit: int | None = None) -> int:
    """Delete those whose day is over, at most so many. Returns how many."""
    return rows.delete(session, KeptAnswer, KeptAnswer.made_at <= now - KEPT, limit=limit)
