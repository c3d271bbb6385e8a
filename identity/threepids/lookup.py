"""Lookup of user IDs by hashed addresses; agents get results, guests none."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from domain_rules.addresses import canonical_or_typed
from identity.problems import Unavailable, WrongPepper

from . import lookup_queries, peppers

Algorithm = Literal["sha256", "none"]
MEDIUM = " email"  # with the algorithm "none", follows the address


def current_pepper(asked: Connection | Session) -> str:
    """The pepper in force. Raises Unavailable before the first account exists."""
    found = asked.scalar(peppers.current())
    if found is None:
        raise Unavailable
    return found


def find(
    asked: Connection | Session,
    now: datetime,
    *,
    by_agent: bool,
    algorithm: Algorithm,
    with_pepper: str,
    texts: Collection[str],
) -> dict[str, str]:
    """Entry of `texts` → user ID, where one is bound; {} for a guest. Raises WrongPepper."""
    if algorithm == "none":
        clear = {
            text: canonical_or_typed(text.removesuffix(MEDIUM))
            for text in texts
            if text.endswith(MEDIUM)
        }
        bound = lookup_queries.find_by_address(
            asked, now, pepper=with_pepper, addresses=set(clear.values())
        )
        if bound is not None:
            bound = {text: bound[key] for text, key in clear.items() if key in bound}
    else:
        bound = lookup_queries.find_by_hash(asked, now, pepper=with_pepper, hashes=texts)
    if bound is None:
        raise WrongPepper(algorithm, current_pepper(asked))
    return bound if by_agent else {}
