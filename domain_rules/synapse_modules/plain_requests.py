"""A request to create a room, made plain: other modules leave in it whatever they worked with.

One of Tchap's leaves `initial_state` as a view of a dictionary, over which Synapse stumbles once somebody
has gone through the request. So whatever comes in goes on as the JSON it was.
"""

from collections.abc import Iterable, Mapping
from typing import Any


async def on_create_room(_requester: Any, asked: dict[str, Any], _is_admin: bool) -> None:  # noqa: FBT001  # Synapse calls by position
    """Before anybody of ours looks at it, in every mode; what it says stays what it was."""
    for key, value in asked.items():
        asked[key] = plain(value)


def plain(value: Any) -> Any:
    """The same in dictionaries and lists, which are new ones."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [plain(each) for each in value]
    return value
