"""Answers from memory who is a guest and what the rules say."""

from collections.abc import Callable, Collection
from typing import Any

from domain_rules.rule import AccountClass
from domain_rules.rules import Decision, RuleSet
from domain_rules.user_ids import homeserver_of

from .configuration import ClassSource, Config
from .snapshot import Snapshot

FRESH_SECONDS = 60
MS = 1000


class Cache:
    """What this process knows. `sync.Sync` fills it.

    Nothing here sends a request; only `is_exempt_now` and `ready` wait for anything.
    """

    def __init__(self, config: Config, api: Any) -> None:
        self._config = config
        self._api = api
        self._now_ms: Callable[[], int] = api.get_current_time_msec
        self.snapshot = Snapshot()
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
        return self.snapshot.rules

    @property
    def epoch(self) -> str:
        """Of the rules: another one if Guichet has another database; "" before the first rules."""
        return self.snapshot.epoch

    @property
    def user_id_scheme(self) -> str:
        return self.snapshot.user_id_scheme

    @property
    def guichet_keys(self) -> dict[str, str]:
        return dict(self.snapshot.guichet_keys)

    @property
    def guichet_names(self) -> frozenset[str]:
        """Server names under which Guichet may sign requests: those it sent with the rules."""
        return self.snapshot.identity_servers

    @property
    def identity_servers(self) -> frozenset[str]:
        """Server names under which Guichet is known: its own list, and the configured ones."""
        return self.snapshot.identity_servers | self._config.identity_servers

    @property
    def is_known(self) -> bool:
        """Whether this homeserver ever received rules from Guichet."""
        return bool(self.snapshot.epoch)

    @property
    def age_seconds(self) -> float:
        """Seconds since Guichet last answered; infinite if it never did."""
        if not self.rules_heard_ms:
            return float("inf")
        return (self._now_ms() - self.rules_heard_ms) / MS

    def class_of_server(self, server_name: str) -> str | None:
        """guest, agent or by_person; None for a homeserver that is not registered."""
        source = self.snapshot.sources.get(server_name)
        if source is None and server_name == self.own_name:
            source = self._config.class_source
        return source.value if source else None

    def class_of(self, user_id: str) -> AccountClass:
        """The class of a user.

        Agents are those known to be, and exempt users; all others are guests.
        """
        return AccountClass.AGENT if self.is_exempt(user_id) else self.class_by_source(user_id)

    def is_guest(self, user_id: str) -> bool:
        return self.class_of(user_id) is AccountClass.GUEST

    def class_by_source(self, user_id: str) -> AccountClass:
        """The class of a user as if nobody were exempt."""
        server = homeserver_of(user_id)
        source = self.class_of_server(server)
        if source == ClassSource.BY_PERSON.value:
            agents = self.agents_here if server == self.own_name else self.agents_elsewhere
            return AccountClass.AGENT if user_id in agents else AccountClass.GUEST
        return AccountClass.AGENT if source == ClassSource.AGENT.value else AccountClass.GUEST

    def is_class_known(self, user_id: str) -> bool:
        """False if `class_of` says guest only because no news arrived."""
        server = homeserver_of(user_id)
        if not self.is_known:
            return self.class_of_server(server) is not None
        if self.class_of_server(server) != ClassSource.BY_PERSON.value or server == self.own_name:
            return True
        return self._now_ms() - self.agents_heard_ms <= FRESH_SECONDS * MS

    def is_exempt(self, user_id: str) -> bool:
        """Whether the user is listed in the configuration or a known administrator."""
        return user_id in self._config.exempt or user_id in self.administrators

    async def is_exempt_now(self, user_id: str) -> bool:
        """As `is_exempt`, and asks Synapse whether the user has become an administrator since."""
        if self.is_exempt(user_id):
            return True
        if homeserver_of(user_id) != self.own_name or not await self._api.is_user_admin(user_id):
            return False
        self.administrators.add(user_id)
        return True

    def decide(self, address: str) -> Decision | None:
        """The decision for an address; None if it is no address or no rules are known."""
        return self.snapshot.decide(address) if self.is_known else None

    def judge(self, user_id: str, addresses: Collection[str]) -> None:
        """Record the class of a local user who now has these verified addresses."""
        if any(self.snapshot.is_address_of_agent(address) for address in addresses):
            self.agents_here.add(user_id)
        else:
            self.agents_here.discard(user_id)

    def connect(self, loading: Callable[[], Any], refreshing: Callable[[], Any]) -> None:
        """Set what `ready` and `refresh` call.

        `loading` waits for the stored rules, `refreshing` asks Guichet.
        """
        self._loading, self._refreshing = loading, refreshing

    async def ready(self) -> None:
        """Wait until stored rules are read, in the first moments of a process."""
        if self._loading is not None:
            await self._loading()

    async def refresh(self) -> None:
        """Ask Guichet now, in this process."""
        if self._refreshing is not None:
            await self._refreshing()
