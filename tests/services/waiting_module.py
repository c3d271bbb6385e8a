"""A module that makes Synapse wait for itself, as ours did before its first release."""

from typing import Any


class WaitsForItself:
    """It reads the whole state of the room when it hears of a member from elsewhere.

    While a homeserver still fetches the state of a room it has just joined, Synapse answers that when the state is
    complete, which it is not before this very event was judged.
    """

    def __init__(self, _config: Any, api: Any) -> None:
        self._api = api
        api.register_spam_checker_callbacks(check_event_for_spam=self.check_event_for_spam)

    async def check_event_for_spam(self, event: Any) -> bool:
        if event.type == "m.room.member" and not self._api.is_mine(event.state_key):
            await self._api.get_room_state(event.room_id)
        return False
