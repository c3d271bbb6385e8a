"""The tables of passkeys: those that operators added, and the challenges that browsers have to answer."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.personal_data import RECORD


class OperatorPasskey(Base):
    """One passkey of an operator. Its private half never leaves what made it."""

    __tablename__ = "operator_passkeys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    credential_id: Mapped[str] = mapped_column(unique=True)  # in base64url, as browsers send it
    public_key: Mapped[str]  # a COSE_Key (RFC 9052) in base64url
    sign_count: Mapped[int] = mapped_column(BigInteger)  # 32 bits; 0 throughout: it does not count
    name: Mapped[str] = mapped_column(info=RECORD)  # given by the operator
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    # The host that it was made for: browsers use it nowhere else. Empty: made by an older version.
    rp_id: Mapped[str] = mapped_column(default="", server_default="")


class Ceremony(StrEnum):
    """What a browser asks a challenge for."""

    ADD = "add"
    SIGN_IN = "sign_in"
    AGAIN = "again"  # somebody who has a session proves that it is them


class PasskeyChallenge(Base):
    """One challenge that a browser was given. It is answered once, within a few minutes."""

    __tablename__ = "passkey_challenges"

    challenge_hash: Mapped[str] = mapped_column(primary_key=True)
    browser_hash: Mapped[str]  # of the token in a cookie of that browser
    ceremony: Mapped[str]
    session_id: Mapped[uuid.UUID | None]  # null: to sign in
    ends_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


Index("ix_passkey_challenges_ends_at", PasskeyChallenge.ends_at)


def find_of(session: Session, operator_id: uuid.UUID) -> Sequence[OperatorPasskey]:
    """The passkeys of an operator, oldest first."""
    row = OperatorPasskey
    own = select(row).where(row.operator_id == operator_id)
    return session.scalars(own.order_by(row.made_at, row.id)).all()


def find_by_credential(session: Session, credential_id: str) -> OperatorPasskey | None:
    """The passkey that a browser names so."""
    return session.scalar(
        select(OperatorPasskey).where(OperatorPasskey.credential_id == credential_id)
    )


def find_fitting(session: Session, operator_id: uuid.UUID, rp_id: str) -> Sequence[OperatorPasskey]:
    """Those of an operator that browsers use at this host, oldest first."""
    return [each for each in find_of(session, operator_id) if each.rp_id in {"", rp_id}]


def count_elsewhere(session: Session, rp_id: str) -> int:
    """How many passkeys of all operators were made for another host than this one."""
    return rows.count(session, OperatorPasskey.rp_id.not_in({"", rp_id}))


def forget_of(session: Session, operator_id: uuid.UUID) -> int:
    """Delete the passkeys of an operator. Returns how many."""
    return rows.delete(session, OperatorPasskey, OperatorPasskey.operator_id == operator_id)


def forget_challenges(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete the challenges that ended before then. Returns how many."""
    return rows.delete(session, PasskeyChallenge, PasskeyChallenge.ends_at < before, limit=limit)
