"""What screens and commands are told of access: operators with their factors and sessions, and tokens."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from identity.core.personal_data import mask

from . import models, sessions
from .models import AdminToken, Operator, OperatorFactor, OperatorSession, RecoveryCode
from .roles import Role


def operators_told(
    session: Session, now: datetime, *, masked: bool, found: Sequence[Operator] | None = None
) -> list[dict[str, Any]]:
    """These operators, or all by name, in three queries. `masked`: without their addresses."""
    shown = models.find_all(session) if found is None else found
    return _told(session, now, shown, masked=masked)


def operator_told(
    session: Session, now: datetime, operator: Operator, *, masked: bool
) -> dict[str, Any]:
    """One operator.

    {"id", "name", "mail", "language", "source", "state", "created_by", "changed_by": text,
     "roles", "organisations", "homeservers": [text], "has_factor": boolean,
     "recovery_codes", "sessions": number,
     "created_at", "changed_at", "seen_at", "locked_until": time or null}

    `state`: "enabled", "unconfirmed" (since a restore) or "disabled".
    """
    return _told(session, now, [operator], masked=masked)[0]


def sessions_told(
    session: Session, now: datetime, operator_id: uuid.UUID, *, here: uuid.UUID | None = None
) -> list[dict[str, Any]]:
    """The open sessions of an operator, newest first. `here`: the one that is asking.

    [{"id", "device", "network": text, "is_here": boolean, "created_at", "seen_at", "ends_at": time}]
    """
    return [
        {
            "id": str(row.id),
            "device": row.device,
            "network": row.network,
            "is_here": row.id == here,
            "created_at": row.created_at,
            "seen_at": row.seen_at,
            "ends_at": sessions.ends_at(row),
        }
        for row in sessions.find_open(session, now, operator_id)
    ]


def tokens_told(
    session: Session, now: datetime, found: Sequence[AdminToken] | None = None
) -> list[dict[str, Any]]:
    """These API tokens, or all, newest first, without the tokens themselves.

    [{"id", "name", "operator", "state": text, "roles", "organisations", "homeservers": [text],
      "created_at", "ends_at": time, "used_at", "ended_at": time or null}]

    `state`: "good", "ended", "expired", or "maker_out" (its maker may not come in).
    """
    asked = select(AdminToken, Operator).join(Operator, Operator.id == AdminToken.operator_id)
    if found is not None:
        asked = asked.where(AdminToken.id.in_([each.id for each in found]))
    rows = session.execute(asked.order_by(AdminToken.created_at.desc(), AdminToken.id.desc()))
    return [
        {
            "id": str(token.id),
            "name": token.name,
            "operator": maker.name,
            "state": _state_of(token, maker, now),
            "roles": list(token.roles),
            "organisations": list(token.organisations),
            "homeservers": list(token.homeservers),
            "created_at": token.created_at,
            "ends_at": token.ends_at,
            "used_at": token.used_at,
            "ended_at": token.ended_at,
        }
        for token, maker in rows
    ]


def _told(
    session: Session, now: datetime, operators: Sequence[Operator], *, masked: bool
) -> list[dict[str, Any]]:
    ids = [each.id for each in operators]
    confirmed = set(
        session.scalars(
            select(OperatorFactor.operator_id).where(
                OperatorFactor.operator_id.in_(ids), OperatorFactor.confirmed_at.is_not(None)
            )
        )
    )
    codes = _count(session, RecoveryCode, ids, RecoveryCode.used_at.is_(None))
    own = OperatorSession
    alive = (own.ended_at.is_(None), own.created_at > now - sessions.ABSOLUTE)
    opened = _count(session, OperatorSession, ids, *alive, own.seen_at > now - sessions.IDLE)
    return [
        {
            "id": str(each.id),
            "name": each.name,
            "mail": mask(each.mail) if each.mail and masked else each.mail,
            "language": each.language,
            "source": each.source,
            "state": _standing(each),
            "roles": [str(role) for role in Role if role in each.role_set],
            "organisations": list(each.organisations),
            "homeservers": list(each.homeservers),
            "has_factor": each.id in confirmed,
            "recovery_codes": codes.get(each.id, 0),
            "sessions": opened.get(each.id, 0),
            "created_at": each.created_at,
            "created_by": each.created_by,
            "changed_at": each.changed_at,
            "changed_by": each.changed_by,
            "seen_at": each.seen_at,
            "locked_until": each.locked_until if _is_locked(each, now) else None,
        }
        for each in operators
    ]


def _count(
    session: Session,
    table: type[RecoveryCode] | type[OperatorSession],
    ids: Collection[uuid.UUID],
    *which: Any,
) -> dict[uuid.UUID, int]:
    grouped = select(table.operator_id, func.count()).where(table.operator_id.in_(ids), *which)
    found = session.execute(grouped.group_by(table.operator_id))
    return {operator_id: number for operator_id, number in found}  # noqa: C416  rows are no pairs


def _standing(operator: Operator) -> str:
    if operator.disabled_at is not None:
        return "disabled"
    return "enabled" if operator.unconfirmed_at is None else "unconfirmed"


def _is_locked(operator: Operator, now: datetime) -> bool:
    return operator.locked_until is not None and now < operator.locked_until


def _state_of(token: AdminToken, maker: Operator, now: datetime) -> str:
    if token.ended_at is not None:
        return "ended"
    if now >= token.ends_at:
        return "expired"
    return "good" if maker.may_come_in else "maker_out"
