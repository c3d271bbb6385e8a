"""What admins and the shell do for an operator who cannot get in: unlock, new factor, sessions ended.

Each is mailed to all admins, apart from ended sessions.
"""

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import journal, rows
from identity.core.journal import Actor
from identity.problems import NotYourOwn, WrongOperator

from . import factors, notices, service, sessions
from .models import Operator, OperatorSession
from .notices import What


def unlock(session: Session, now: datetime, who: Actor, operator_id: uuid.UUID) -> bool:
    """Let the next code be tried at once. False if nothing was locked. Raises NoSuchOperator."""
    operator = service.locked(session, operator_id)
    was_locked = operator.locked_until is not None and now < operator.locked_until
    if not was_locked and not operator.wrong_factors:
        return False
    factors.unlock(operator)
    session.flush()
    notices.tell_admins(session, now, who, operator, What.UNLOCKED)
    journal.write(session, now, who, action="operator.unlock", subject=operator.name, facts={})
    return True


def reset_factor(
    session: Session,
    now: datetime,
    who: Actor,
    operator_id: uuid.UUID,
    *,
    by: uuid.UUID | None = None,
) -> Operator:
    """Forget app, recovery codes and passkeys, and end all sessions: the operator enrols anew.

    `by`: the operator who does it, None at the shell. Raises NoSuchOperator, NotYourOwn.
    """
    operator = service.locked(session, operator_id)
    if by == operator_id:
        raise NotYourOwn
    factors.reset(session, operator.id)
    factors.unlock(operator)
    operator.changed_by, operator.changed_at = who.name, now
    operator.version += 1
    session.flush()
    _end_all(session, now, operator.id)
    notices.tell_admins(session, now, who, operator, What.FACTOR_RESET)
    journal.write(
        session, now, who, action="operator.reset_factor", subject=operator.name, facts={}
    )
    return operator


def invite_again(session: Session, now: datetime, who: Actor, operator_id: uuid.UUID) -> Operator:
    """Mail a new link for 72 hours to who did not use theirs, or is to be joined to the provider.

    Earlier links end. Raises NoSuchOperator, and WrongOperator for who does not come in by mail.
    """
    operator = service.required(session, operator_id)
    if operator.mail is None or not operator.signs_in_by_mail:
        raise WrongOperator(f"{operator.name} cannot come in by mail: no invitation is sent")
    service.invite(session, now, operator)
    journal.write(session, now, who, action="operator.invite", subject=operator.name, facts={})
    return operator


def end_sessions(
    session: Session,
    now: datetime,
    who: Actor,
    operator_id: uuid.UUID,
    *,
    only: uuid.UUID | None = None,
    but: uuid.UUID | None = None,
) -> int:
    """End the sessions of an operator. Returns how many.

    `only`: this one; `but`: all but this one. Raises NoSuchOperator.
    """
    operator = service.required(session, operator_id)
    if only is not None:
        ended = int(sessions.end(session, now, only, operator_id))
    else:
        ended = _end_all(session, now, operator_id, but=but)
    if ended:
        journal.write(
            session,
            now,
            who,
            action="operator.end_sessions",
            subject=operator.name,
            facts={"sessions": ended},
        )
    return ended


def renew_recovery_codes(
    session: Session, now: datetime, who: Actor, operator: Operator
) -> list[str]:
    """Ten new recovery codes in place of all earlier ones, to be shown once."""
    codes = factors.new_recovery_codes(session, now, operator.id)
    action = "operator.recovery_codes"
    journal.write(session, now, who, action=action, subject=operator.name, facts={})
    return codes


def _end_all(
    session: Session, now: datetime, operator_id: uuid.UUID, *, but: uuid.UUID | None = None
) -> int:
    which = [OperatorSession.operator_id == operator_id, OperatorSession.ended_at.is_(None)]
    if but is not None:
        which.append(OperatorSession.id != but)
    return rows.update(session, OperatorSession, *which, ended_at=now)
