"""Links that let an operator in once: printed by the shell or `make run`, or mailed as an invitation.

Opening one shows a button; only pressing it uses it up, so that programs that look at links do not.
"""

import uuid
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core import rows

from . import models
from .models import LinkKind, Operator, OperatorLink

LIFETIMES: Final = {
    LinkKind.SIGN_IN: timedelta(minutes=15),
    LinkKind.INVITE: timedelta(hours=72),
}


def issue(session: Session, now: datetime, operator_id: uuid.UUID, kind: LinkKind) -> str:
    """Make a link's token. Earlier ones of this kind for this operator end."""
    end_all(session, now, operator_id, kind)
    token = models.new_token()
    session.add(
        OperatorLink(
            operator_id=operator_id,
            kind=kind,
            token_hash=models.hash_of(token),
            made_at=now,
            ends_at=now + LIFETIMES[kind],
        )
    )
    session.flush()
    return token


def issue_invitation(session: Session, now: datetime, operator_id: uuid.UUID) -> OperatorLink:
    """Make the row of a mailed link. Its token is signed when the mail is written: `Tokens.link`."""
    issue(session, now, operator_id, LinkKind.INVITE)
    own = (OperatorLink.operator_id == operator_id, OperatorLink.kind == LinkKind.INVITE)
    return session.scalars(select(OperatorLink).where(*own, OperatorLink.used_at.is_(None))).one()


def find_invitation(session: Session, now: datetime, link_id: uuid.UUID) -> OperatorLink | None:
    """The mailed link of this id, if it can still be used."""
    link = session.get(OperatorLink, link_id)
    return link if link and link.kind == LinkKind.INVITE and _is_open(link, now) else None


def use_invitation(session: Session, now: datetime, link_id: uuid.UUID) -> Operator | None:
    """Use a mailed link up, as `use`."""
    link = find_invitation(session, now, link_id)
    return _use(session, now, link) if link else None


def find(session: Session, now: datetime, token: str, kind: LinkKind) -> OperatorLink | None:
    """The link of this token, if it can still be used."""
    return session.scalar(
        select(OperatorLink).where(
            OperatorLink.token_hash == models.hash_of(token),
            OperatorLink.kind == kind,
            OperatorLink.used_at.is_(None),
            OperatorLink.ends_at > now,
        )
    )


def use(session: Session, now: datetime, token: str, kind: LinkKind) -> Operator | None:
    """Use a link up; of several that press at once, one gets the operator."""
    link = find(session, now, token, kind)
    return _use(session, now, link) if link else None


def _use(session: Session, now: datetime, link: OperatorLink) -> Operator | None:
    own = (OperatorLink.id == link.id, OperatorLink.used_at.is_(None))
    if not rows.update(session, OperatorLink, *own, used_at=now):
        return None
    operator = models.find(session, link.operator_id)
    return operator if operator and operator.may_come_in else None


def end_all(session: Session, now: datetime, operator_id: uuid.UUID, kind: LinkKind) -> None:
    """Make the open links of this kind useless."""
    own = (OperatorLink.operator_id == operator_id, OperatorLink.kind == kind)
    rows.update(session, OperatorLink, *own, OperatorLink.used_at.is_(None), used_at=now)


def _is_open(link: OperatorLink, now: datetime) -> bool:
    return link.used_at is None and now < link.ends_at


def forget(session: Session, before: datetime, *, limit: int | None = None) -> int:
    """Delete links that ended before then. Returns how many."""
    return rows.delete(session, OperatorLink, OperatorLink.ends_at < before, limit=limit)
