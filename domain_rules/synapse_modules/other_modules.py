"""What other modules leave behind in what Synapse shows to all of them, made plain.

One of Tchap's leaves `initial_state` as a view of a dictionary, over which Synapse stumbles once somebody
has gone through the request. So whatever comes in goes on as the JSON it was.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

logger = logging.getLogger(__name__)


async def on_create_room(_requester: Any, asked: dict[str, Any], _is_admin: bool) -> None:  # noqa: FBT001  # Synapse calls by position
    """Before anybody of ours looks at it, in every mode; what it says stays what it was."""
    for key, value in list(asked.items()):
        asked[key] = _plain_if_readable(key, value)


def _plain_if_readable(key: str, value: Any) -> Any:
    try:
        return plain(value)
    except Exception:  # whatever it is, Synapse answers to it as it would without us
        logger.warning("%s in a request to create a room cannot be read", key, exc_info=True)
        return value


def state_events(state: Mapping[Any, Any]) -> dict[tuple[str, str], Any]:
    """Of the state that Synapse gives with an event, the events by type and state key."""
    return {
        key: event
        for key, event in state.items()
        if isinstance(key, tuple) and len(key) == 2 and hasattr(event, "sender")  # noqa: PLR2004  # a pair
    }


def plain(value: Any) -> Any:
    """The same in dictionaries and lists, which are new ones."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(each) for each in value]
    return value
