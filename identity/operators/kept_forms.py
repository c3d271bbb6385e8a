"""Forms that were sent after a session's end: kept sealed for an hour, shown once to the same operator.

Uploaded files and second factors are not kept.
"""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.sealed_columns import SEALED
from identity.core.sealing import CannotOpen, Vault

from .models import Operator, OperatorSession, Source, hash_of

KEPT_FOR: Final = timedelta(hours=1)
MOST: Final = 5  # for one operator; the oldest goes first
MAX_LENGTH: Final = 500_000  # characters of one form


class KeptForm(Base):
    """One form, sealed: its path, and what was typed."""

    __tablename__ = "kept_forms"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    sealed: Mapped[str] = mapped_column(info=SEALED)
    made_at: Mapped[datetime]


@dataclass(frozen=True)
class Form:
    """A form as it was sent. `had_files`: files were sent with it, which are lost."""

    path: str
    fields: tuple[tuple[str, str], ...]
    had_files: bool = False


def keep(session: Session, vault: Vault, now: datetime, session_token: str, form: Form) -> bool:
    """Keep a form for the operator of a session whose time is over. Returns whether it was kept.

    Nothing is kept for a session that is unknown, was ended on purpose, never got to the second
    factor, or is of an operator who was disabled: its cookie may be in the hands of somebody else.
    """
    operator_id = session.scalar(
        select(OperatorSession.operator_id)
        .join(Operator, Operator.id == OperatorSession.operator_id)
        .where(
            OperatorSession.token_hash == hash_of(session_token),
            OperatorSession.ended_at.is_(None),
            OperatorSession.proved_at.is_not(None) | (Operator.source == Source.EMBEDDED),
            Operator.disabled_at.is_(None),
        )
    )
    forget(session, now - KEPT_FOR)
    text = json.dumps([form.path, form.fields, form.had_files])
    if operator_id is None or len(text) > MAX_LENGTH:
        return False
    made = KeptForm(id=uuid.uuid4(), operator_id=operator_id, sealed=vault.seal(text), made_at=now)
    session.add(made)
    session.flush()
    _forget_oldest(session, operator_id)
    return True


def find_newest(session: Session, now: datetime, operator_id: uuid.UUID) -> uuid.UUID | None:
    """The id of the newest form that is kept for this operator."""
    own = (KeptForm.operator_id == operator_id, KeptForm.made_at > now - KEPT_FOR)
    newest = select(KeptForm.id).where(*own).order_by(KeptForm.made_at.desc(), KeptForm.id)
    return session.scalar(newest.limit(1))


def read(
    session: Session, vault: Vault, now: datetime, form_id: uuid.UUID, operator_id: uuid.UUID
) -> Form | None:
    """The form, if it is this operator's and its hour is not over."""
    found = session.get(KeptForm, form_id)
    if found is None or found.operator_id != operator_id or now >= found.made_at + KEPT_FOR:
        return None
    try:
        path, fields, had_files = json.loads(vault.open(found.sealed).get_secret_value())
    except CannotOpen:
        return None
    return Form(path, tuple((name, value) for name, value in fields), had_files)


def end(session: Session, form_id: uuid.UUID, operator_id: uuid.UUID) -> bool:
    """Delete a form that was sent again, or is not wanted. False if it is gone."""
    own = (KeptForm.id == form_id, KeptForm.operator_id == operator_id)
    return rows.delete(session, KeptForm, *own) > 0


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete the forms that were kept before then. Returns how many."""
    return rows.delete(session, KeptForm, KeptForm.made_at < before, limit=limit)


def without(fields: Iterable[tuple[str, str]], *names: str) -> tuple[tuple[str, str], ...]:
    """The fields but those of these names."""
    return tuple(pair for pair in fields if pair[0] not in names)


def _forget_oldest(session: Session, operator_id: uuid.UUID) -> None:
    own = KeptForm.operator_id == operator_id
    newest = select(KeptForm.id).where(own).order_by(KeptForm.made_at.desc(), KeptForm.id)
    kept = session.scalars(newest.limit(MOST)).all()
    rows.delete(session, KeptForm, own, KeptForm.id.not_in(kept))
