"""Sessions of operators: opened by a proof, idle end, absolute end, and a second factor asked lately."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from identity.core import rows

from . import models
from .models import Operator, OperatorSession
from .roles import Deed, Role, Scope, may

IDLE: Final = timedelta(minutes=60)
ABSOLUTE: Final = timedelta(hours=12)
PROOF_LASTS: Final = timedelta(minutes=10)
"""For so long after the second factor was right it is not asked again."""
RECORDED_EVERY: Final = timedelta(minutes=1)  # a use is written at most so often
MAX_DEVICE: Final = 100  # characters


@dataclass(frozen=True)
class SignedIn:
    """An operator in one browser, as of one request."""

    operator_id: uuid.UUID
    name: str
    language: str
    roles: frozenset[Role]
    scope: Scope
    session_id: uuid.UUID
    is_embedded: bool
    is_whole: bool
    """Whether the second factor was right in this session; until then only that is asked."""
    proved_at: datetime | None
    by_sso: bool
    """Whether an OpenID provider let them in, which can be asked again."""
    ends_at: datetime
    """When the session ends if nothing is pressed."""
    ends_for_good_at: datetime

    def may(self, deed: Deed) -> bool:
        """Whether their roles allow it."""
        return self.is_whole and may(self.roles, deed)

    def has_proved(self, now: datetime) -> bool:
        """Whether the second factor need not be asked again."""
        if self.is_embedded:
            return True
        return self.proved_at is not None and now < self.proved_at + PROOF_LASTS


def open_session(
    session: Session,
    now: datetime,
    operator: Operator,
    *,
    device: str = "",
    network: str = "",
    proved: bool = False,
    proved_at: datetime | None = None,
    id_token: str | None = None,
) -> str:
    """Open a session; returns its token, which is stored nowhere.

    `proved`: the second factor was right as well, just now; `proved_at`: at that time. `id_token`:
    of the OpenID provider that let them in, sealed.
    """
    token = models.new_token()
    session.add(
        OperatorSession(
            operator_id=operator.id,
            token_hash=models.hash_of(token),
            created_at=now,
            seen_at=now,
            proved_at=now if proved else proved_at,
            id_token=id_token,
            device=device[:MAX_DEVICE],
            network=network,
        )
    )
    operator.seen_at = now
    session.flush()
    return token


def find(session: Session, now: datetime, token: str) -> SignedIn | None:
    """Who is signed in with this token; None if it has ended or they were disabled."""
    found = session.execute(
        select(OperatorSession, Operator)
        .join(Operator, Operator.id == OperatorSession.operator_id)
        .where(OperatorSession.token_hash == models.hash_of(token))
    ).one_or_none()
    if found is None:
        return None
    row, operator = found
    if row.ended_at is not None or not operator.may_come_in or now >= ends_at(row):
        return None
    return SignedIn(
        operator_id=operator.id,
        name=operator.name,
        language=operator.language,
        roles=operator.role_set,
        scope=operator.scope,
        session_id=row.id,
        is_embedded=not operator.needs_second_factor,
        is_whole=row.proved_at is not None or not operator.needs_second_factor,
        proved_at=row.proved_at,
        by_sso=row.id_token is not None,
        ends_at=ends_at(row),
        ends_for_good_at=row.created_at + ABSOLUTE,
    )


def is_use_to_be_recorded(found: SignedIn, now: datetime) -> bool:
    """Whether the last recorded use is a minute old."""
    return now >= found.ends_at - IDLE + RECORDED_EVERY and found.ends_at < found.ends_for_good_at


def record_use(session: Session, now: datetime, found: SignedIn) -> None:
    """Move the idle end of the session on."""
    _set(session, found.session_id, seen_at=now)
    own = (Operator.id == found.operator_id,)
    rows.update(session, Operator, *own, seen_at=now)


def record_proof(
    session: Session, now: datetime, session_id: uuid.UUID, *, proved_at: datetime | None = None
) -> None:
    """The second factor was right, now or at that time."""
    _set(session, session_id, proved_at=proved_at or now, seen_at=now)


def is_proved(session: Session, now: datetime, session_id: uuid.UUID) -> bool:
    """Whether the second factor was right lately in this session, as the database has it now."""
    row = OperatorSession
    own = (row.id == session_id, row.ended_at.is_(None), row.proved_at > now - PROOF_LASTS)
    return session.scalar(select(row.id).where(*own)) is not None


def id_token_of(session: Session, session_id: uuid.UUID) -> str | None:
    """The sealed ID token of an open session, by which somebody signs out at their provider."""
    row = session.get(OperatorSession, session_id)
    return row.id_token if row is not None and row.ended_at is None else None


def end(session: Session, now: datetime, session_id: uuid.UUID, operator_id: uuid.UUID) -> bool:
    """End one session of this operator. False if there is none, or it has ended."""
    own = OperatorSession.operator_id == operator_id
    return _set(session, session_id, own, ended_at=now) > 0


def end_by_token(session: Session, now: datetime, token: str) -> None:
    """End the session of this token, if there is one."""
    own = OperatorSession.token_hash == models.hash_of(token)
    rows.update(session, OperatorSession, own, OperatorSession.ended_at.is_(None), ended_at=now)


def find_open(session: Session, now: datetime, operator_id: uuid.UUID) -> Sequence[OperatorSession]:
    """The sessions of an operator that have not ended, newest first."""
    row = OperatorSession
    return session.scalars(
        select(row)
        .where(
            row.operator_id == operator_id,
            row.ended_at.is_(None),
            row.created_at > now - ABSOLUTE,
            row.seen_at > now - IDLE,
        )
        .order_by(row.created_at.desc())
    ).all()


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete sessions that were opened before then. Returns how many."""
    return rows.delete(session, OperatorSession, OperatorSession.created_at < before, limit=limit)


def ends_at(row: OperatorSession) -> datetime:
    """When a session ends if nothing is pressed."""
    return min(row.seen_at + IDLE, row.created_at + ABSOLUTE)


def _set(
    session: Session, session_id: uuid.UUID, *which: ColumnElement[bool], **values: datetime
) -> int:
    own = OperatorSession.id == session_id
    alive = OperatorSession.ended_at.is_(None)
    return rows.update(session, OperatorSession, own, alive, *which, **values)
