"""Wraps every callback: each has a time limit, and an error of ours never becomes a 500.

A callback that fails or takes too long is answered by one rule: refused for those for whom the part
closes, allowed for everybody else. Both cases are logged and counted.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter

from .refusals import Refusals
from .sentences import RefusalReason
from .time_limits import SECONDS, Callback, CallbackLate

# The answer "allowed" of `check_event_allowed`; `on_create_room` ignores it.
ALLOWED = (True, None)
FAILED = object()
"""Stands for an answer that did not come."""

logger = logging.getLogger(__name__)
failures = Counter(
    "guichet_callback_failures",
    "Callbacks of Guichet's module that gave no answer of their own",
    ["callback", "why"],  # late, fault
)


class Guards:
    """Makes wrappers. `closes_for`: whether an error refuses, by the acting user's ID."""

    def __init__(self, refusals: Refusals, *, closes_for: Callable[[str], bool]) -> None:
        self._refusals, self._closes_for = refusals, closes_for

    def answering(self, callback: Callback, *, seconds: float = SECONDS) -> Callback:
        """For callbacks that refuse by their answer. They get a user ID or an event first."""

        @functools.wraps(callback)
        async def guarded(actor: Any, *facts: Any) -> Any:
            answer = await attempt(self._refusals, seconds, callback, actor, *facts)
            if answer is not FAILED:
                return answer
            user_id = getattr(actor, "sender", actor)
            if self._closes_for(user_id):
                return self._refusals.refuse(RefusalReason.NOT_ALLOWED, user_id)
            return self._refusals.allowed

        return guarded

    def insisting(
        self,
        callback: Callback,
        *,
        seconds: float = SECONDS,
        concerns: Callable[[Any], bool] = lambda _actor: True,
    ) -> Callback:
        """For callbacks that refuse by raising. They get an event or a requester first.

        `concerns`: whether the callback is needed at all. Most events are messages, which cost no
        more than this look.
        """

        @functools.wraps(callback)
        async def guarded(actor: Any, *facts: Any) -> Any:
            if not concerns(actor):
                return ALLOWED
            answer = await attempt(self._refusals, seconds, callback, actor, *facts)
            if answer is not FAILED:
                return answer
            user_id = getattr(actor, "sender", None) or actor.user.to_string()
            if self._closes_for(user_id):
                self._refusals.refuse_by_raising(RefusalReason.NOT_ALLOWED, user_id)
            return ALLOWED

        return guarded

    def deciding(
        self, callback: Callback, *, otherwise: Callable[[], Any], seconds: float = SECONDS
    ) -> Callback:
        """For callbacks that say yes or no without a reason; `otherwise` answers if they fail."""

        @functools.wraps(callback)
        async def guarded(*facts: Any) -> Any:
            answer = await attempt(self._refusals, seconds, callback, *facts)
            return otherwise() if answer is FAILED else answer

        return guarded

    def noticing(self, callback: Callback) -> Callback:
        """For callbacks that are only informed. If they take too long, they still finish."""
        return self.deciding(callback, otherwise=lambda: None)


async def attempt(refusals: Refusals, seconds: float, callback: Callback, *facts: Any) -> Any:
    """What the callback answers; FAILED, logged and counted, if it fails or takes too long.

    Only our own refusals pass through: other exceptions of Synapse are errors like any other.
    """
    name = callback.__name__
    try:
        return await refusals.terms.within(seconds, callback, *facts)
    except CallbackLate as late:
        failures.labels(name, "late").inc()
        logger.error("%s: %s", name, late)  # noqa: TRY400  # the trace does not show where it hangs
    except Exception as error:
        if refusals.is_ours(error):
            raise
        failures.labels(name, "fault").inc()
        logger.exception("a fault in %s, asked about %s", name, _whom(facts))
    return FAILED


def _whom(facts: tuple[Any, ...]) -> str:
    """Who acts, for the log; never an address, which some callbacks get."""
    first = facts[0] if facts else None
    said = getattr(first, "sender", first)
    return said if isinstance(said, str) else "somebody"
