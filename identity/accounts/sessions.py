"""A person is signed in, in one browser, to one part of the service: until they leave, or who they are changes."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.rules import RuleSet
from identity.accounts import classes as account_classes
from identity.threepids import associations

from . import session_models as people_sessions
from . import verified_addresses
from .session_models import PersonSession

LISTS = "lists"
NOTED_EVERY = timedelta(minutes=1)  # a use is written down no oftener


@dataclass(frozen=True)
class Terms:
    """How long a session is good, and for whom: asked anew at each use."""

    idle: timedelta
    absolute: timedelta
    may_stay: Callable[[Session, RuleSet, PersonSession], bool]


def open(  # noqa: A001  sessions are opened
    session: Session, now: datetime, *, purpose: str, user_id: str, address: str, device: str
) -> str:
    """The token of a new session, for the cookie of the browser that has just proved the address.

    Always a new one: whoever knew a token before the proof has nothing of it. `device`: the family
    of the browser, "" if unknown.
    """
    if purpose not in TERMS:
        raise ValueError(f"no sessions are kept for {purpose}")
    return people_sessions.add(
        session, now, purpose=purpose, user_id=user_id, address=address, device=device
    )


def find(
    session: Session, rules: RuleSet, now: datetime, *, token: str, purpose: str
) -> PersonSession | None:
    """The session of this token, if it is good now: in time, its account and address as they were."""
    found = people_sessions.of_token(session, token, purpose)
    return found if found and _is_good(session, rules, now, found) else None


def use(
    session: Session, rules: RuleSet, now: datetime, *, token: str, purpose: str
) -> PersonSession | None:
    """The same, written down: a use lets it stand longer, and what is no longer good ends for good."""
    found = people_sessions.of_token(session, token, purpose)
    if found is None:
        return None
    if not _is_good(session, rules, now, found):
        people_sessions.end(session, now, found.id, user_id=found.user_id)
        return None
    return found if people_sessions.note_use(session, found.id, now) else None


def is_to_be_noted(found: PersonSession, now: datetime) -> bool:
    """Whether the use written down is old enough to be replaced."""
    return now >= found.last_used_at + NOTED_EVERY


def end_by_token(session: Session, now: datetime, *, token: str, purpose: str) -> None:
    """Whoever shows the token signs out."""
    found = people_sessions.of_token(session, token, purpose)
    if found is not None:
        people_sessions.end(session, now, found.id, user_id=found.user_id)


def end(session: Session, now: datetime, *, session_id: uuid.UUID, user_id: str) -> bool:
    """End one of this user's. False: there is none such."""
    return people_sessions.end(session, now, session_id, user_id=user_id)


def live_of(
    session: Session, rules: RuleSet, now: datetime, user_id: str, purpose: str | None = None
) -> list[PersonSession]:
    """Where the user is signed in, the newest first."""
    found = people_sessions.open_of(session, user_id, purpose)
    return [each for each in found if _is_good(session, rules, now, each)]


def _is_good(session: Session, rules: RuleSet, now: datetime, found: PersonSession) -> bool:
    terms = TERMS[found.purpose]
    ends_at = min(found.created_at + terms.absolute, found.last_used_at + terms.idle)
    return found.ended_at is None and now < ends_at and terms.may_stay(session, rules, found)


def _is_agent(session: Session, rules: RuleSet, found: PersonSession) -> bool:
    """They still have the address that was proved, and are still an agent."""
    bound = (each.address for each in associations.of_user(session, found.user_id))
    has_address = found.address in {*bound, *verified_addresses.of_user(session, found.user_id)}
    return has_address and account_classes.is_agent(session, rules, found.user_id)


TERMS: Mapping[str, Terms] = {
    LISTS: Terms(idle=timedelta(minutes=30), absolute=timedelta(hours=8), may_stay=_is_agent),
}
