"""Who is a guest and what the rules are, answered from memory: nothing is asked of anybody here."""

from collections.abc import Callable, Collection
from typing import Any

from domain_rules.rules import AccountClass, Decision, RuleSet

from .configuration import ClassSource, Config
from .snapshot import Copy

FRESH_SECONDS = 60
MS = 1000


def server_of(user_id: str) -> str:
    """The server name in a user ID, a room alias, or a room ID of old."""
    return user_id.partition(":")[2]


class Cache:
    """One in each process; `feeds.Feeds` fills it. Only `is_free` and `ready` are awaited."""

    def __init__(self, config: Config, api: Any) -> None:
        self._config = config
        self._api = api
        self._now_ms: Callable[[], int] = api.get_current_time_msec
        self.copy = Copy()
        self.agents_here: set[str] = set()
        self.agents_elsewhere: set[str] = set()
        self.administrators: set[str] = set()
        self.rules_heard_ms = 0
        self.agents_heard_ms = 0
        self._loading: Callable[[], Any] | None = None
        self._refreshing: Callable[[], Any] | None = None

    @property
    def own_name(self) -> str:
        return str(self._api.server_name)

    @property
    def rules(self) -> RuleSet:
        return self.copy.rules

    @property
    def user_id_scheme(self) -> str:
        return self.copy.user_id_scheme

    @property
    def guichet_keys(self) -> dict[str, str]:
        return dict(self.copy.guichet_keys)

    @property
    def guichet_names(self) -> frozenset[str]:
        """Under which Guichet may sign what it asks here: those it has told, with the credential, of itself."""
        return self.copy.identity_servers

    @property
    def identity_servers(self) -> frozenset[str]:
        """Names under which Guichet is known: what it says itself, and what is configured."""
        return self.copy.identity_servers | self._config.identity_servers

    @property
    def is_known(self) -> bool:
        """Whether Guichet was ever heard by this homeserver."""
        return not self.copy.is_empty

    @property
    def age_seconds(self) -> float:
        """Since Guichet last answered; infinite if it never did."""
        if not self.rules_heard_ms:
            return float("inf")
        return (self._now_ms() - self.rules_heard_ms) / MS

    def class_of_server(self, server_name: str) -> str | None:
        """guest, agent or by_person; None for a homeserver that is not registered."""
        source = self.copy.sources.get(server_name)
        if source is None and server_name == self.own_name:
            source = self._config.class_source
        return source.value if source else None

    def class_of(self, user_id: str) -> AccountClass:
        """Agents are those who are known to be, and who is exempt; everybody else is a guest."""
        return AccountClass.AGENT if self.is_exempt(user_id) else self.class_by_source(user_id)

    def class_by_source(self, user_id: str) -> AccountClass:
        """The same, as if nobody were exempt."""
        server = server_of(user_id)
        source = self.class_of_server(server)
        if source == ClassSource.BY_PERSON.value:
            agents = self.agents_here if server == self.own_name else self.agents_elsewhere
            return AccountClass.AGENT if user_id in agents else AccountClass.GUEST
        return AccountClass.AGENT if source == ClassSource.AGENT.value else AccountClass.GUEST

    def is_class_known(self, user_id: str) -> bool:
        """False where `class_of` says guest for want of news."""
        server = server_of(user_id)
        if not self.is_known:
            return self.class_of_server(server) is not None
        if self.class_of_server(server) != ClassSource.BY_PERSON.value or server == self.own_name:
            return True
        return self._now_ms() - self.agents_heard_ms <= FRESH_SECONDS * MS

    def is_exempt(self, user_id: str) -> bool:
        """Listed in the configuration, or an administrator of this homeserver as far as is known."""
        return user_id in self._config.exempt or user_id in self.administrators

    async def is_free(self, user_id: str) -> bool:
        """The same, and an administrator of this very moment."""
        if self.is_exempt(user_id):
            return True
        if server_of(user_id) != self.own_name or not await self._api.is_user_admin(user_id):
            return False
        self.administrators.add(user_id)
        return True

    def decide(self, address: str) -> Decision | None:
        """What the rules say of an address; None for what is no address, or without rules."""
        return self.copy.decide(address) if self.is_known else None

    def judge(self, user_id: str, addresses: Collection[str]) -> None:
        """Somebody here has these verified addresses now."""
        if any(self.copy.is_agents(address) for address in addresses):
            self.agents_here.add(user_id)
        else:
            self.agents_here.discard(user_id)

    def filled_by(self, loading: Callable[[], Any], refreshing: Callable[[], Any]) -> None:
        self._loading, self._refreshing = loading, refreshing

    async def ready(self) -> None:
        """Returns at once but in the first moments of a process, when the kept copy is being read."""
        if self._loading is not None:
            await self._loading()

    async def refresh(self) -> None:
        """Ask Guichet now, in the process that asks."""
        if self._refreshing is not None:
            await self._refreshing()
