"""A module as others write them: it leaves views, tuples and holes behind, fails, dawdles, and answers oddly.

A Synapse of the tests loads it before and after ours. What Synapse bears from it without ours, it bears with ours.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

STATE = "initial_state"
PROXIED, REFUSED = "Proxied", "Refused by another module"
FAILING, REPLACED = "org.example.failing", "org.example.replaced"
SLOW = "m.room.topic"


class Careless:
    """Every callback that ours has too."""

    def __init__(self, config: Any, api: Any) -> None:
        from immutabledict import (  # noqa: PLC0415  # Synapse brings it
            immutabledict,
        )

        self._api, self._frozen = api, immutabledict
        self._is_before = bool(config.get("is_before"))
        api.register_third_party_rules_callbacks(
            on_create_room=self.on_create_room,
            check_event_allowed=self.check_event_allowed,
            on_new_event=self.fails,
            on_profile_update=self.fails,
            on_add_user_third_party_identifier=self.fails,
            on_remove_user_third_party_identifier=self.fails,
            on_user_deactivation_status_changed=self.fails,
        )
        api.register_spam_checker_callbacks(
            user_may_create_room=self.user_may_create_room,
            user_may_invite=self.says_yes,
            user_may_join_room=self.says_yes,
            user_may_publish_room=self.says_yes,
            user_may_create_room_alias=self.says_yes,
            check_event_for_spam=self.says_no_as_of_old,
            check_username_for_spam=self.check_username_for_spam,
        )

    async def on_create_room(self, _requester: Any, asked: dict[str, Any], _is_admin: bool) -> None:
        if asked.get("name") == REFUSED:
            raise RuntimeError(REFUSED)
        asked.pop("visibility", None)
        events = {
            (each["type"], each.get("state_key", "")): self._frozen(
                {key: each[key] for key in ("type", "content") if key in each}
            )
            for each in asked.get(STATE, ())
            if not each.get("state_key")
        }
        asked[STATE] = events.values()
        if "invite" in asked:
            asked["invite"] = dict.fromkeys(asked["invite"]).keys()
        if "power_level_content_override" in asked:
            asked["power_level_content_override"] = self._frozen(
                asked["power_level_content_override"]
            )
        if asked.get("name") == PROXIED and self._is_before:
            # Synapse alone would stumble over these.
            asked["creation_content"] = MappingProxyType(asked.get("creation_content", {}))
            asked[STATE] = tuple(_proxied(each) for each in events.values())

    async def check_event_allowed(self, event: Any, state: dict[Any, Any]) -> tuple[Any, Any]:
        state["careless"] = object()  # all modules get the same state
        if event.type == FAILING:
            raise RuntimeError(FAILING)
        if event.type == REPLACED:
            return True, event.get_dict()
        if event.type == SLOW:
            await self._api.sleep(0.2)
        return None, ["odd"]

    async def user_may_create_room(self, _user_id: str) -> bool:
        return True

    async def says_yes(self, *_facts: Any) -> bool:
        return True

    async def says_no_as_of_old(self, _event: Any) -> bool:
        return False

    async def check_username_for_spam(self, profile: dict[str, Any]) -> bool:
        profile.clear()
        return False

    async def fails(self, *_facts: Any) -> None:
        raise RuntimeError("of another module")


def _proxied(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({**event, "content": MappingProxyType(event["content"])})
