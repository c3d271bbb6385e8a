"""Who calls the Identity Service API: all that requests want to know of a token, in one statement."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Select, bindparam, select
from sqlalchemy.orm import Session

from identity.core.user_servers import server_of
from identity.homeservers import standing
from identity.homeservers.models import Homeserver

from . import account_models as identity_accounts, peppers
from .account_models import AcceptedTerms, AccessToken, IdentityAccount


@dataclass(frozen=True)
class Caller(IdentityAccount):
    """The account of a valid token, and what belongs to it."""

    accepted: frozenset[str] = field(repr=False)
    """URLs of the texts that the user has accepted."""
    class_source: str | None
    """Of the homeserver; None if it is not registered."""
    pepper: str | None = field(repr=False)
    """The one in force, for /hash_details; None before the first account exists."""


def _find() -> Select[*tuple[object, ...]]:
    """One row, or one for each text that the user has accepted."""
    return (
        select(
            *(AccessToken.user_id, AccessToken.token_hash),
            *(AccessToken.created_at, AccessToken.last_used_at),
            *(Homeserver.name, Homeserver.label, Homeserver.suspended_at, Homeserver.class_source),
            peppers.current().scalar_subquery().label("pepper"),
            AcceptedTerms.url,
        )
        .outerjoin(Homeserver, Homeserver.name == server_of(AccessToken.user_id))
        .outerjoin(AcceptedTerms, AcceptedTerms.user_id == AccessToken.user_id)
        .where(AccessToken.token_hash == bindparam("token_hash"))
    )


FIND = _find()


def find(asked: Connection | Session, token: str, now: datetime) -> Caller | None:
    """The caller with this token; None if it has ended or expired. Raises HomeserverSuspended."""
    rows = asked.execute(FIND, {"token_hash": identity_accounts.hash_of(token)}).all()
    if not rows:
        return None
    row = rows[0]
    account = identity_accounts.account_of(
        row.user_id, row.token_hash, row.created_at, row.last_used_at
    )
    if now >= account.ends_at:
        return None
    if row.suspended_at is not None:
        raise standing.suspended(row.name, row.label)
    return Caller(
        **vars(account),
        accepted=frozenset(each.url for each in rows if each.url is not None),
        class_source=row.class_source,
        pepper=row.pepper,
    )
