"""API tokens: bearer tokens of programs, with rights that never exceed their maker's present ones."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from identity.core import journal, rows
from identity.core.journal import Actor
from identity.problems import NoSuchToken, WrongOperator

from . import models, service
from .models import AdminToken, Operator
from .roles import PERMISSIONS, Deed, Role, Scope, effective
from .service import Standing

PREFIX: Final = "guichet_ops_"
LONGEST: Final = timedelta(days=365)
RECORDED_EVERY: Final = timedelta(minutes=1)
TAKEN: Final = "a token needs a name that no other has or had"


@dataclass(frozen=True)
class Program:
    """A program that calls, as of one request."""

    token_id: uuid.UUID
    name: str
    operator: str
    operator_id: uuid.UUID
    roles: frozenset[Role]
    scope: Scope
    used_at: datetime | None = None  # before this request, to the minute
    is_embedded: bool = False
    """Whether its maker is the operator of a trial installation, who is nobody anywhere else."""

    def may(self, deed: Deed) -> bool:
        """Whether its roles allow it; what asks a second factor is never allowed."""
        permission = PERMISSIONS[deed]
        return not permission.step_up and bool(effective(self.roles) & permission.roles)


def issue(
    session: Session,
    now: datetime,
    who: Actor,
    maker: Operator,
    *,
    name: str,
    standing: Standing,
    lifetime: timedelta,
) -> tuple[AdminToken, str]:
    """Make a token, which is stored nowhere: the row and the token.

    Raises WrongOperator: the name is none or taken, the roles do not go together, it would last
    over a year, or may more than its maker.
    """
    name = service.read_name(name)
    if session.scalar(select(AdminToken.id).where(AdminToken.name == name)):
        raise WrongOperator(TAKEN)
    service.check(session, standing)
    if not timedelta(0) < lifetime <= LONGEST:
        raise WrongOperator(f"a token lasts between a moment and {LONGEST.days} days")
    if not standing.roles <= effective(maker.role_set):
        raise WrongOperator("a token may do nothing that its maker may not")
    if not standing.scope.is_within(maker.scope):
        raise WrongOperator("the scope of a token lies within that of its maker")
    token = models.new_token(PREFIX)
    row = AdminToken(
        id=uuid.uuid4(),
        operator_id=maker.id,
        name=name,
        token_hash=models.hash_of(token),
        roles=sorted(standing.roles),
        organisations=sorted(standing.scope.organisations),
        homeservers=sorted(standing.scope.homeservers),
        created_at=now,
        ends_at=now + lifetime,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError:  # made twice at the same time
        raise WrongOperator(TAKEN) from None
    facts = {"roles": row.roles, "ends_at": row.ends_at.isoformat(timespec="seconds")}
    journal.write(session, now, who, action="token.add", subject=name, facts=facts)
    return row, token


def find_program(session: Session, now: datetime, token: str) -> Program | None:
    """Who calls with this token; None if it has ended, or its maker was disabled."""
    if not token.startswith(PREFIX):
        return None
    found = session.execute(
        select(AdminToken, Operator)
        .join(Operator, Operator.id == AdminToken.operator_id)
        .where(AdminToken.token_hash == models.hash_of(token))
    ).one_or_none()
    if found is None:
        return None
    row, maker = found
    if row.ended_at is not None or now >= row.ends_at or not maker.may_come_in:
        return None
    scope = Scope(frozenset(row.organisations), frozenset(row.homeservers))
    roles = frozenset(Role(each) for each in row.roles) & effective(maker.role_set)
    if not roles or not scope.is_within(maker.scope):
        return None
    return Program(
        row.id,
        row.name,
        maker.name,
        maker.id,
        roles,
        scope,
        row.used_at,
        is_embedded=not maker.needs_second_factor,
    )


def is_use_to_be_recorded(program: Program, now: datetime) -> bool:
    """Whether the last recorded use is a minute old."""
    return program.used_at is None or now >= program.used_at + RECORDED_EVERY


def record_use(session: Session, now: datetime, program: Program) -> None:
    """The token is used now."""
    rows.update(session, AdminToken, AdminToken.id == program.token_id, used_at=now)


def end(session: Session, now: datetime, who: Actor, name: str) -> bool:
    """End a token at once. False if it has ended. Raises NoSuchToken."""
    row = session.scalar(select(AdminToken).where(AdminToken.name == name))
    if row is None:
        raise NoSuchToken
    own = (AdminToken.id == row.id, AdminToken.ended_at.is_(None))
    if not rows.update(session, AdminToken, *own, ended_at=now):
        return False
    journal.write(session, now, who, action="token.end", subject=name, facts={})
    return True


def find_all(session: Session) -> Sequence[AdminToken]:
    """All tokens, also those that ended, newest first."""
    return session.scalars(select(AdminToken).order_by(AdminToken.created_at.desc())).all()
