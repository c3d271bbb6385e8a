"""Signing people in to a part of the service in one browser, and checking that at each use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.accounts import classes as account_classes
from identity.threepids import associations

from . import session_models, verified_addresses
from .session_models import PersonSession

BULK_INVITES = "lists"
RECORD_EVERY = timedelta(minutes=1)  # a use is recorded no more often


@dataclass(frozen=True)
class SessionPolicy:
    """How long sessions of a purpose last and who may have one, checked at each use."""

    idle: timedelta
    absolute: timedelta
    may_stay: Callable[[Session, RuleSet, PersonSession], bool]


def open_session(
    session: Session, now: datetime, *, purpose: str, user_id: str, address: str, device: str
) -> str:
    """Open a session in the browser that has just verified the address; the token for its cookie.

    The token is always new, so that one known before the verification is worth nothing.
    `device`: the browser's family, "" if unknown.
    """
    if purpose not in POLICIES:
        raise ValueError(f"no sessions are kept for {purpose}")
    return session_models.add(
        session, now, purpose=purpose, user_id=user_id, address=address, device=device
    )


def find(
    session: Session, rules: RuleSet, now: datetime, *, token: str, purpose: str
) -> PersonSession | None:
    """The session of this token if it is valid now: not expired, address and class unchanged."""
    found = session_models.find_by_token(session, token, purpose)
    return found if found and _is_good(session, rules, now, found) else None


def use(
    session: Session, rules: RuleSet, now: datetime, *, token: str, purpose: str
) -> PersonSession | None:
    """As `find`, and record the use, which extends the session; an invalid session is ended."""
    found = session_models.find_by_token(session, token, purpose)
    if found is None:
        return None
    if not _is_good(session, rules, now, found):
        session_models.end(session, now, found.id, user_id=found.user_id)
        return None
    return found if session_models.record_use(session, found.id, now) else None


def is_use_to_be_recorded(found: PersonSession, now: datetime) -> bool:
    """Whether the last recorded use is old enough to record another."""
    return now >= found.last_used_at + RECORD_EVERY


def end_by_token(session: Session, now: datetime, *, token: str, purpose: str) -> None:
    """End the session of this token."""
    found = session_models.find_by_token(session, token, purpose)
    if found is not None:
        session_models.end(session, now, found.id, user_id=found.user_id)


def live_sessions_of(
    session: Session, rules: RuleSet, now: datetime, user_id: str, purpose: str | None = None
) -> list[PersonSession]:
    """The valid sessions of the user, newest first."""
    found = session_models.open_sessions_of(session, user_id, purpose)
    return [each for each in found if _is_good(session, rules, now, each)]


def _is_good(session: Session, rules: RuleSet, now: datetime, found: PersonSession) -> bool:
    policy = POLICIES[found.purpose]
    ends_at = min(found.created_at + policy.absolute, found.last_used_at + policy.idle)
    return found.ended_at is None and now < ends_at and policy.may_stay(session, rules, found)


def _is_agent(session: Session, rules: RuleSet, found: PersonSession) -> bool:
    """Whether the user still has the address and is still an agent."""
    bound = (each.address for each in associations.find_by_user(session, found.user_id))
    has_address = found.address in {
        *bound,
        *verified_addresses.addresses_of(session, found.user_id),
    }
    return has_address and account_classes.is_agent(session, rules, found.user_id)


POLICIES: Mapping[str, SessionPolicy] = {
    BULK_INVITES: SessionPolicy(
        idle=timedelta(minutes=30), absolute=timedelta(hours=8), may_stay=_is_agent
    ),
}
