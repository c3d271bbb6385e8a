"""What stands between a callback and Synapse: every call has an end, and a fault of ours is never a 500.

A callback that fails, or is late, answers by one rule: it refuses for whom the part closes, and lets
everybody else go on. Both are logged and counted.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter

from .refusals import Refusals
from .sentences import Reason
from .time_limits import SECONDS, Callback, Late

# To both kinds of callback that insist this says: as you wish.
ALLOWED = (True, None)
FAILED = object()
"""In place of an answer that did not come."""

logger = logging.getLogger(__name__)
failures = Counter(
    "guichet_callback_failures",
    "Callbacks of Guichet's module that gave no answer of their own",
    ["callback", "why"],  # late, fault
)


class Guards:
    """`closes_for` says by the user ID of who acts whether a fault refuses; else it lets them go on."""

    def __init__(self, refusals: Refusals, *, closes_for: Callable[[str], bool]) -> None:
        self._refusals, self._closes_for = refusals, closes_for

    def answering(self, callback: Callback, *, seconds: float = SECONDS) -> Callback:
        """For what refuses by its answer. It is asked about a user ID or about an event."""

        @functools.wraps(callback)
        async def guarded(actor: Any, *facts: Any) -> Any:
            answer = await attempt(self._refusals, seconds, callback, actor, *facts)
            if answer is not FAILED:
                return answer
            user_id = getattr(actor, "sender", actor)
            if self._closes_for(user_id):
                return self._refusals.refuse(Reason.NOT_ALLOWED, user_id)
            return self._refusals.allowed

        return guarded

    def insisting(
        self,
        callback: Callback,
        *,
        seconds: float = SECONDS,
        concerns: Callable[[Any], bool] = lambda _actor: True,
    ) -> Callback:
        """For what refuses by an exception of Synapse's. It is asked about an event or about a requester.

        `concerns`: whether it has to be asked at all. Most events are messages, and cost no more than that look.
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
                self._refusals.refuse_by_raising(Reason.NOT_ALLOWED, user_id)
            return ALLOWED

        return guarded

    def deciding(
        self, callback: Callback, *, otherwise: Callable[[], Any], seconds: float = SECONDS
    ) -> Callback:
        """For what says yes or no and gives no reason. `otherwise` answers in its place."""

        @functools.wraps(callback)
        async def guarded(*facts: Any) -> Any:
            answer = await attempt(self._refusals, seconds, callback, *facts)
            return otherwise() if answer is FAILED else answer

        return guarded

    def noticing(self, callback: Callback) -> Callback:
        """For what is told that something happened, and answers nothing. What is late it does all the same."""
        return self.deciding(callback, otherwise=lambda: None)


async def attempt(refusals: Refusals, seconds: float, callback: Callback, *facts: Any) -> Any:
    """What the callback says; `FAILED`, logged and counted, if it does not.

    Only a refusal of ours goes through: what Synapse raises when it is asked for something is a fault like any other.
    """
    name = callback.__name__
    try:
        return await refusals.terms.within(seconds, callback, *facts)
    except Late as late:
        failures.labels(name, "late").inc()
        logger.error("%s: %s", name, late)  # noqa: TRY400  # where it hangs, the trace does not say
    except Exception as error:
        if refusals.gave(error):
            raise
        failures.labels(name, "fault").inc()
        logger.exception("a fault in %s, asked about %s", name, _whom(facts))
    return FAILED


def _whom(facts: tuple[Any, ...]) -> str:
    """Who acts, if it is told: never an address, which other callbacks get."""
    first = facts[0] if facts else None
    said = getattr(first, "sender", first)
    return said if isinstance(said, str) else "somebody"
