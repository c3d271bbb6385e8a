"""No callback of ours makes Synapse wait without an end, whatever it waits for itself."""

from collections.abc import Awaitable, Callable
from typing import Any

# From memory, or by a short look into Synapse's own database.
SECONDS = 5.0
# Guichet is asked on the way, or a rule is waited for; each of these has an end of its own before.
ASKING_SECONDS = 15.0
# Another homeserver's event waits, and with it everything else that homeserver sends into the room.
INBOUND_SECONDS = 2.0

Callback = Callable[..., Awaitable[Any]]
Within = Callable[..., Awaitable[Any]]
"""`within(seconds, callback, *facts)`: what the callback says, or `Late` after so many seconds."""


class Late(Exception):
    """The callback has not answered in its time. It goes on by itself, and nobody waits for it."""


async def within(seconds: float, callback: Callback, *facts: Any) -> Any:
    """Inside Synapse, by Twisted's clock. What is left behind is not cancelled: a transaction may be under way."""
    from synapse.logging.context import (  # noqa: PLC0415  # only in Synapse
        make_deferred_yieldable,
        run_in_background,
    )
    from synapse.util.async_helpers import stop_cancellation  # noqa: PLC0415  # only in Synapse
    from twisted.internet import defer, reactor  # noqa: PLC0415  # only in Synapse

    asked = run_in_background(callback, *facts)
    if asked.called and not asked.paused:  # most answer at once: no clock is set for them
        return await make_deferred_yieldable(asked)
    waiting = stop_cancellation(asked).addTimeout(seconds, reactor)
    try:
        return await make_deferred_yieldable(waiting)
    except defer.TimeoutError as late:
        raise Late(f"no answer within {seconds:g} seconds") from late
