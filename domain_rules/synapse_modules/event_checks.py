"""Spares Synapse what it does for our checks of events that concern none of them, such as messages.

Before Synapse calls the callbacks `check_event_allowed`, it loads the whole state of the room. In a
room of a thousand members that is a fifth of what sending a message costs, and Synapse offers
modules no way to say which events they want.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Collection
from typing import Any

from .guards import ALLOWED

logger = logging.getLogger(__name__)

CALLBACKS = "_check_event_allowed_callbacks"  # Synapse's list of them; asked anew for each event
PARAMETERS = ["event", "context"]  # of Synapse's method, as we know it

Concerns = Callable[[Any], bool]
"""Whether an event concerns a check: our callbacks ask the same, and allow every other event."""


def spare(api: Any, ours: Collection[Concerns]) -> bool:
    """Allow events that concern none of our checks without loading the room; whether that is done.

    `ours`: of each callback that we have registered, in this process. As soon as another module
    has a callback, Synapse goes its own way for every event. It also does in a version of Synapse
    that is built differently.
    """
    try:
        rules = api._callbacks.third_party_event_rules  # noqa: SLF001  its callbacks are shown nowhere else
        whole = rules.check_event_allowed
        is_known = (
            hasattr(rules, CALLBACKS) and [*inspect.signature(whole).parameters] == PARAMETERS
        )
    except AttributeError:
        is_known = False
    if not is_known:
        logger.info("Synapse loads the room's state for every event: it is another version")
        return False

    @functools.wraps(whole)
    async def check_event_allowed(event: Any, context: Any) -> Any:
        are_ours = len(getattr(rules, CALLBACKS)) == len(ours)
        if are_ours and not any(concerns(event) for concerns in ours):
            return ALLOWED
        return await whole(event, context)

    rules.check_event_allowed = check_event_allowed
    return True
