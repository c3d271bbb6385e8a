"""A path that answers whether the caller is an agent, for a proxy in front of Synapse.

The proxy asks before it forwards requests for which Synapse has no module callback.
"""

from typing import Any

from .part import Context, Part
from .sentences import RefusalReason

PATH = "/_synapse/client/org.guichet/v1/agents-only"
OK, FORBIDDEN = 200, 403
PROFILES = "allow_profile_lookup_over_federation"
# With key queries limited to users who share a room (MSC4263), Synapse caches who shares none and
# does not update that when they do: this cache has to be off.
SHARED_ROOMS_CACHED = "who_shares_no_room_is_remembered"
# Without it, a search of people finds only those with whom one shares a room.
ALL_ARE_FOUND = "people_search_finds_all"
SHARED_ROOMS_CACHE = "does_pair_of_users_share_a_room_joined_or_invited"


class AgentsOnly(Part):
    """200 for agents, 403 with a reason for guests; Synapse itself answers 401 without a token."""

    async def answer(self, user_id: str) -> tuple[int, dict[str, Any]]:
        """The HTTP status and body.

        Administrators get the state of the module with it, which `guichet doctor` reads.
        """
        await self.cache.ready()
        if await self.cache.is_exempt_now(user_id):
            return OK, self._about_us()
        if self.refusals.is_log_only or not self.cache.is_guest(user_id):
            return OK, {}
        return FORBIDDEN, {"errcode": "M_FORBIDDEN"} | self.refusals.fields(
            RefusalReason.NOT_ALLOWED
        )

    def _about_us(self) -> dict[str, Any]:
        age = self.cache.age_seconds
        return {
            "revision": self.cache.rules.revision if self.cache.is_known else None,
            "age_seconds": None if age == float("inf") else round(age),
            "mode": "log" if self.refusals.is_log_only else "enforce",
            **self._settings(),
        }

    def _settings(self) -> dict[str, bool]:
        """Settings of Synapse that no request from outside reveals."""
        try:
            config = self.api._hs.config  # noqa: SLF001  # said nowhere else
            limits = config.experimental.msc4263_limit_key_queries_to_users_who_share_rooms
            people = config.userdirectory
            return {
                ALL_ARE_FOUND: bool(
                    people.user_directory_search_enabled and people.user_directory_search_all_users
                ),
                PROFILES: bool(config.federation.allow_profile_lookup_over_federation),
                SHARED_ROOMS_CACHED: bool(
                    limits and config.caches.cache_factors.get(SHARED_ROOMS_CACHE) != 0
                ),
            }
        except AttributeError:
            return {}


def register(context: Context) -> None:
    """Add the path, in every process that serves clients."""
    from synapse.module_api import DirectServeJsonResource  # noqa: PLC0415  # only in Synapse

    agents_only = AgentsOnly(context)

    class AgentsOnlyResource(DirectServeJsonResource):  # type: ignore[misc]  # untyped
        async def _async_render_GET(  # noqa: N802  # Synapse's name
            self, request: Any
        ) -> tuple[int, dict[str, Any]]:
            requester = await context.api.get_user_by_req(request)
            return await agents_only.answer(requester.user.to_string())

    context.api.register_web_resource(PATH, AgentsOnlyResource())
