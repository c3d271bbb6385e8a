"""What stands between a callback and Synapse: a fault of ours goes out as a refusal or not at all, never as a 500."""

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .refusals import Refusals
from .sentences import Reason

Callback = Callable[..., Awaitable[Any]]
# To both kinds of callback that insist this says: as you wish.
ALLOWED = (True, None)

logger = logging.getLogger(__name__)


class Guards:
    """`closes_for` says by the user ID of who acts whether a fault refuses; else it lets them go on."""

    def __init__(self, refusals: Refusals, *, closes_for: Callable[[str], bool]) -> None:
        self._refusals, self._closes_for = refusals, closes_for

    def answering(self, callback: Callback) -> Callback:
        """For what refuses by its answer. It is asked about a user ID or about an event."""

        @functools.wraps(callback)
        async def guarded(actor: Any, *facts: Any) -> Any:
            try:
                return await callback(actor, *facts)
            except Exception:
                user_id = getattr(actor, "sender", actor)
                logger.exception("a fault in %s, judging %s", callback.__name__, user_id)
                if self._closes_for(user_id):
                    return self._refusals.refuse(Reason.NOT_ALLOWED, user_id)
                return self._refusals.allowed

        return guarded

    def insisting(self, callback: Callback) -> Callback:
        """For what refuses by an exception of Synapse's. It is asked about an event or about a requester."""

        @functools.wraps(callback)
        async def guarded(actor: Any, *facts: Any) -> Any:
            try:
                return await callback(actor, *facts)
            except self._refusals.terms.error_class:
                raise
            except Exception:
                user_id = getattr(actor, "sender", None) or actor.user.to_string()
                logger.exception("a fault in %s, judging %s", callback.__name__, user_id)
                if self._closes_for(user_id):
                    self._refusals.refuse_by_raising(Reason.NOT_ALLOWED, user_id)
                return ALLOWED

        return guarded
