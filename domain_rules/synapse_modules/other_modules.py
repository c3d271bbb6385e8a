"""Repairs what other modules leave in objects that Synapse passes to all modules.

One of Tchap's modules leaves `initial_state` as a dictionary view, on which Synapse fails once
another module has read the request. So the request continues as plain JSON.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger(__name__)


async def on_create_room(
    _requester: Any,
    request: dict[str, Any],
    _is_admin: bool,  # noqa: FBT001  # Synapse calls by position
) -> None:
    """The first callback of ours, in every mode; the meaning of the request does not change."""
    for key, value in list(request.items()):
        request[key] = _plain_if_readable(key, value)


def _plain_if_readable(key: str, value: Any) -> Any:
    try:
        return to_plain_json(value)
    except Exception:  # whatever it is, Synapse answers to it as it would without us
        logger.warning("%s in a request to create a room cannot be read", key, exc_info=True)
        return value


def state_events(state: Mapping[Any, Any]) -> dict[tuple[str, str], Any]:
    """Only the events, by type and state key, of the state that Synapse gives with an event."""
    return {
        key: event
        for key, event in state.items()
        if isinstance(key, tuple)
        and len(key) == 2  # noqa: PLR2004  # a pair
        and hasattr(event, "sender")
    }


def to_plain_json(value: Any) -> Any:
    """The same value made of new dictionaries and lists."""
    if isinstance(value, Mapping):
        return {key: to_plain_json(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [to_plain_json(each) for each in value]
    return value
