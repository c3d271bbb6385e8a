"""Agents find people by hashes of their addresses; guests find nobody."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from domain_rules.addresses import canonical_or_typed
from identity.problems import Unavailable, WrongPepper

from . import lookup_queries as lookup
from . import peppers

Algorithm = Literal["sha256", "none"]
MEDIUM = " email"  # what follows the address, in the clear


def pepper(session: Session) -> str:
    """The one that clients are to use."""
    current = peppers.current(session)
    if current is None:
        raise Unavailable
    return current.pepper


def find(
    session: Session,
    now: datetime,
    *,
    by_agent: bool,
    algorithm: Algorithm,
    with_pepper: str,
    asked: Collection[str],
) -> dict[str, str]:
    """What was asked → user ID, of those that are bound; nothing for a guest. Raises WrongPepper."""
    if algorithm == "none":
        clear = {
            text: canonical_or_typed(text.removesuffix(MEDIUM))
            for text in asked
            if text.endswith(MEDIUM)
        }
        bound = lookup.by_address(session, now, pepper=with_pepper, addresses=set(clear.values()))
    else:
        clear = {text: text for text in asked}
        bound = lookup.by_hash(session, now, pepper=with_pepper, hashes=set(asked))
    if bound is None:
        raise WrongPepper(algorithm, pepper(session))
    if not by_agent:
        return {}
    return {text: bound[key] for text, key in clear.items() if key in bound}
