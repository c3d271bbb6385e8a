"""Challenges for passkeys: 256 random bits, answered once, soon, and in the browser that asked.

A wrong answer uses its challenge up, too.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from identity.core import rows
from identity.operators import models as operators

from .models import Ceremony, PasskeyChallenge

LIFETIME: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """Who was given a challenge. `browser`: the token of a cookie; `session_id`: where signed in."""

    browser: str
    ceremony: Ceremony
    session_id: uuid.UUID | None = None


def give(session: Session, now: datetime, asked: Asked) -> str:
    """A new challenge, in base64url. Its hash is stored."""
    challenge = operators.new_token()
    session.add(
        PasskeyChallenge(
            challenge_hash=operators.hash_of(challenge),
            browser_hash=operators.hash_of(asked.browser),
            ceremony=asked.ceremony,
            session_id=asked.session_id,
            ends_at=now + LIFETIME,
        )
    )
    session.flush()
    return challenge


def use(session: Session, now: datetime, asked: Asked, challenge: str) -> bool:
    """Use a challenge up. Of several answers to one at once, one is looked at."""
    row = PasskeyChallenge
    own = (
        row.challenge_hash == operators.hash_of(challenge),
        row.browser_hash == operators.hash_of(asked.browser),
        row.ceremony == asked.ceremony,
        row.session_id == asked.session_id if asked.session_id else row.session_id.is_(None),
        row.used_at.is_(None),
        row.ends_at > now,
    )
    return rows.update(session, row, *own, used_at=now) > 0
