"""A path that only agents get: what a proxy asks before it lets somebody through to what has no hook for a module."""

from typing import Any

from domain_rules.rules import AccountClass

from .cache import Cache
from .refusals import Refusals
from .sentences import Reason

PATH = "/_synapse/client/org.guichet/v1/agents-only"
OK, FORBIDDEN = 200, 403
PROFILES = "allow_profile_lookup_over_federation"
# Where key queries are limited to people who share a room, Synapse remembers who shares none, and does not forget
# it when they do: the cache has to be off.
KEYS_REMEMBERED = "who_shares_no_room_is_remembered"
SHARED_ROOMS = "does_pair_of_users_share_a_room_joined_or_invited"


class AgentsOnly:
    """200 for agents, 403 with its reason for guests; Synapse itself answers 401 to who is nobody."""

    def __init__(self, api: Any, cache: Cache, refusals: Refusals) -> None:
        self.api = api
        self.cache = cache
        self.refusals = refusals

    async def answer(self, user_id: str) -> tuple[int, dict[str, Any]]:
        """Administrators are told what the module decides by: `guichet doctor` asks."""
        await self.cache.ready()
        if await self.cache.is_free(user_id):
            return OK, self._about_us()
        if self.cache.class_of(user_id) is AccountClass.AGENT or self.refusals.is_log_only:
            return OK, {}
        return FORBIDDEN, {"errcode": "M_FORBIDDEN"} | self.refusals.fields(Reason.NOT_ALLOWED)

    def _about_us(self) -> dict[str, Any]:
        age = self.cache.age_seconds
        return {
            "revision": self.cache.rules.revision if self.cache.is_known else None,
            "age_seconds": None if age == float("inf") else round(age),
            "mode": "log" if self.refusals.is_log_only else "enforce",
            **self._settings(),
        }

    def _settings(self) -> dict[str, bool]:
        """Of Synapse, where no call from outside would tell."""
        try:
            config = self.api._hs.config  # noqa: SLF001  # said nowhere else
            limits = config.experimental.msc4263_limit_key_queries_to_users_who_share_rooms
            return {
                PROFILES: bool(config.federation.allow_profile_lookup_over_federation),
                KEYS_REMEMBERED: bool(
                    limits and config.caches.cache_factors.get(SHARED_ROOMS) != 0
                ),
            }
        except AttributeError:
            return {}


def register(api: Any, cache: Cache, refusals: Refusals) -> None:
    """In every process that serves clients."""
    from synapse.module_api import DirectServeJsonResource  # noqa: PLC0415  # only in Synapse

    agents_only = AgentsOnly(api, cache, refusals)

    class Door(DirectServeJsonResource):  # type: ignore[misc]  # Synapse has no types here
        async def _async_render_GET(self, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: N802  Synapse's name
            requester = await api.get_user_by_req(request)
            return await agents_only.answer(requester.user.to_string())

    api.register_web_resource(PATH, Door())
