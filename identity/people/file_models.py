"""The table of person files: who opened the file of which person, why, and until when they may read it."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import ADDRESS, RECORD, TEXT


class PersonFile(Base):
    """One opening of the file of one person, by one operator. Its `id` stands in URLs."""

    __tablename__ = "person_files"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"))
    address: Mapped[str] = mapped_column(info=ADDRESS)  # canonical, as the operator typed it
    # The other spellings of the mailbox that were stored when it was opened.
    spellings: Mapped[list[str]] = mapped_column(JSON, info=TEXT)
    reason: Mapped[str] = mapped_column(info=RECORD)  # names in it are masked
    opened_at: Mapped[datetime]
    ends_at: Mapped[datetime]  # closing it moves this
    # Others whose names were asked for, by the keyed marks under which the log knows them.
    shown: Mapped[list[str]] = mapped_column(JSON, default=list)
    # What erasing would do, as it was looked at last: {"at", "rows", "ended", "stays", "accounts"}.
    would_erase: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), info=TEXT)


Index("ix_person_files_operator", PersonFile.operator_id, PersonFile.ends_at)
Index("ix_person_files_address", PersonFile.address, PersonFile.opened_at)
Index("ix_person_files_ends", PersonFile.ends_at)


def find(
    session: Session, now: datetime, file_id: uuid.UUID, operator_id: uuid.UUID
) -> PersonFile | None:
    """The file, if this operator opened it and may still read it."""
    row = PersonFile
    own = (row.id == file_id, row.operator_id == operator_id, row.ends_at > now)
    return session.scalar(select(row).where(*own))


def find_open(session: Session, now: datetime, operator_id: uuid.UUID) -> Sequence[PersonFile]:
    """The files that this operator may read now, newest first."""
    row = PersonFile
    own = select(row).where(row.operator_id == operator_id, row.ends_at > now)
    return session.scalars(own.order_by(row.opened_at.desc(), row.id).limit(20)).all()


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete what could be read until then at the longest. Returns how many."""
    return rows.delete(session, PersonFile, PersonFile.ends_at < before, limit=limit)
