"""Time limits for callbacks, so that Synapse never waits for us without end."""

from collections.abc import Awaitable, Callable
from typing import Any

# For callbacks that use memory, or short queries to Synapse's own database.
SECONDS = 5.0
# For callbacks that ask Guichet or wait for a rule to arrive, each with a shorter limit of its own.
ASKING_SECONDS = 15.0
# For events of other homeservers: all later events of the room from there wait for them.
INBOUND_SECONDS = 2.0

Callback = Callable[..., Awaitable[Any]]
Within = Callable[..., Awaitable[Any]]
"""`within(seconds, callback, *facts)` gives the answer, or raises CallbackLate."""


class CallbackLate(Exception):
    """The callback did not answer in time. It runs on, and nobody waits for it."""


async def within(seconds: float, callback: Callback, *facts: Any) -> Any:
    """Wait so many seconds for the callback, by Twisted's clock. Raises CallbackLate.

    A late callback is not cancelled: a transaction may be under way.
    """
    from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
        make_deferred_yieldable,
        run_in_background,
    )
    from synapse.util.async_helpers import stop_cancellation  # noqa: PLC0415  # only in Synapse
    from twisted.internet import defer, reactor  # noqa: PLC0415  # only in Synapse

    running = run_in_background(callback, *facts)
    if running.called and not running.paused:  # most answer at once: no clock is set for them
        return await make_deferred_yieldable(running)
    waiting = stop_cancellation(running).addTimeout(seconds, reactor)
    try:
        return await make_deferred_yieldable(waiting)
    except defer.TimeoutError as late:
        raise CallbackLate(f"no answer within {seconds:g} seconds") from late
