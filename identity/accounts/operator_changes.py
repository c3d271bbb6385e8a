"""What operators change about sessions of people; each change leaves a row in the journal."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import of_users
from identity.core.keyed_hashes import KeyedHashes
from identity.threepids import account_models as identity_accounts

from . import session_models


@dataclass(frozen=True)
class Ended:
    """How many sessions in browsers, and tokens of Matrix clients, have ended."""

    sessions: int
    tokens: int

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was there to end."""
        return not (self.sessions or self.tokens)


def end_sessions(
    session: Session,
    now: datetime,
    who: Actor,
    user_id: str,
    session_id: UUID | None = None,
    *,
    hashes: KeyedHashes,
) -> Ended:
    """End all sessions and tokens of the user, or only the session of this id."""
    if session_id is None:
        ended = Ended(
            session_models.end_all(session, now, user_id),
            identity_accounts.end_all(session, user_id),
        )
    else:
        is_ended = session_models.end(session, now, session_id, user_id=user_id)
        ended = Ended(int(is_ended), 0)
    if not ended.is_nothing:
        facts: dict[str, object] = {"sessions": ended.sessions, "tokens": ended.tokens}
        if session_id is not None:
            facts |= {"session": str(session_id)}
        name = hashes.journal_name_of_user(session, user_id)
        places = of_users([user_id])
        journal.write(
            session, now, who, action="session.end", subject=name, facts=facts, places=places
        )
    return ended
