"""Fetches rules and agents from Guichet: one process asks and stores, every process reads.

Each process then holds what is stored in its `cache`.
"""

import json
import logging
from datetime import datetime, timezone
from typing import Any

from prometheus_client import Gauge

from . import declarations, store
from .cache import MS
from .clients import GuichetAnswer, GuichetUnreachable
from .configuration import ClassSource
from .guards import Guards
from .part import Context, Part
from .snapshot import Snapshot, read_snapshot
from .store import AGENTS, RULES, Feed, Version

RELOAD_MS = 2000
# Changes of accounts are read again for a while: clocks differ and transactions take time.
OVERLAP_MS = 30_000
ADMINISTRATORS_MS = 300_000
TOO_OLD_SECONDS = 7 * 24 * 3600
MAX_WAITS, WAIT_SECONDS = 300, 0.1
MAX_LOGGED = 20  # lines of the log for one revision

logger = logging.getLogger(__name__)
age = Gauge("guichet_rules_age_seconds", "Since Guichet last answered which rules are in force")
too_old = Gauge("guichet_rules_too_old", "1 when that is more than seven days ago, or was never")
skipped_rules = Gauge(
    "guichet_rules_skipped", "Rules this module does not understand: a newer one does"
)


class Sync(Part):
    """Nothing is raised to Synapse, only logged: what is known stays in use."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._guards = Guards(self.refusals, closes_for=lambda _user_id: False)
        self._is_loaded = False
        self._is_busy = False
        self._is_asking = False
        self._seen: dict[str, Version] = {}
        self._read: tuple[Version, Snapshot] | None = None
        self._agents_number = 0
        self._changes_seen_ms = 0
        self._administrators_ms = 0

    def start(self) -> None:
        """Start the loops, and listen for address changes."""
        self.cache.connect(self._wait_until_loaded, self.refresh)
        age.set_function(lambda: self.cache.age_seconds)
        skipped_rules.set_function(lambda: len(self.cache.snapshot.skipped))
        too_old.set_function(lambda: float(self.cache.age_seconds > TOO_OLD_SECONDS))
        self.api.delayed_background_call(0, self._begin, desc="guichet_begin")
        self.api.looping_background_call(
            self.reload, RELOAD_MS, desc="guichet_reload", run_on_all_instances=True
        )
        if self.api.should_run_background_tasks():
            self.api.looping_background_call(
                self.refresh, self.config.poll_seconds * MS, desc="guichet_refresh"
            )
        self.api.register_third_party_rules_callbacks(
            on_add_user_third_party_identifier=self._guards.noticing(self._on_address),
            on_remove_user_third_party_identifier=self._guards.noticing(self._on_address),
        )

    async def refresh(self) -> None:
        """Ask Guichet for both feeds, store what is new, and load it. One call at a time."""
        if self._is_asking:
            return
        self._is_asking = True
        try:
            feeds = await self._query("guichet_feeds", store.read_feeds)
            await self._ask_for_rules(feeds.get(RULES, Feed()))
            await self.reload()
            if self.cache.snapshot.has_by_person(but=self.cache.own_name):
                await self._ask_for_agents(feeds.get(AGENTS, Feed()))
                await self.reload()
        except GuichetUnreachable as fault:
            is_too_old = self.cache.age_seconds > TOO_OLD_SECONDS
            level = logging.ERROR if is_too_old else logging.WARNING
            logger.log(level, "Guichet is away, the last good copy serves: %s", fault)
        except Exception:  # whatever it is, the next round comes
            logger.exception("the rules could not be refreshed")
        finally:
            self._is_asking = False

    async def reload(self) -> None:
        """Load what is stored, as far as it is new."""
        if self._is_busy:
            return
        self._is_busy = True
        try:
            await self._reload()
        except Exception:  # the table may not exist yet, or the database restarts
            logger.exception("the kept rules could not be read")
        finally:
            self._is_busy = False

    async def _begin(self) -> None:
        await self._create_tables(store.TABLES)
        await self.reload()
        self._is_loaded = True
        if self.api.should_run_background_tasks():
            await self.refresh()
        if not self.cache.is_known:
            source = self.config.class_source
            meanwhile = (
                f"class_source is {source}" if source else "everybody here counts as a guest"
            )
            logger.error("Guichet was never heard: until then %s", meanwhile)

    async def _wait_until_loaded(self) -> None:
        for _ in range(MAX_WAITS):
            if self._is_loaded:
                return
            await self.api.sleep(WAIT_SECONDS)

    async def _ask_for_rules(self, have: Feed) -> None:
        skipped = len(self.cache.snapshot.skipped)
        declared = declarations.declaration_query(self.config.parts, skipped=skipped)
        answer = await self.client.get(f"/rules?{declared}", have.etag or None)
        if answer.is_unchanged:
            await self._query("guichet_heard", store.record_heard, RULES, self._now_ms())
            return
        body = _good(answer)
        snapshot = await self.api.defer_to_thread(read_snapshot, body, self._now())
        if snapshot.epoch == have.epoch and snapshot.revision < have.number:
            logger.error("revision %s after %s is not taken", snapshot.revision, have.number)
            return
        if snapshot.own_name != self.cache.own_name:
            logger.error("the credential is that of %s, this is not it", snapshot.own_name)
            return
        feed = Feed(snapshot.epoch, snapshot.revision, answer.etag or "", self._now_ms())
        await self._query("guichet_keep", store.save_feed, RULES, feed, body)
        self._read = feed.version, snapshot

    async def _ask_for_agents(self, have: Feed) -> None:
        answer = await self.client.get(f"/agents?since={have.number}", have.etag or None)
        if answer.is_unchanged:
            await self._query("guichet_heard", store.record_heard, AGENTS, self._now_ms())
            return
        body = _good(answer)
        if body["epoch"] != have.epoch and not body["complete"]:
            answer = await self.client.get("/agents?since=0")
            body = _good(answer)
        feed = Feed(body["epoch"], body["number"], answer.etag or "", self._now_ms())
        await self._query("guichet_keep_agents", store.save_agents, feed, body)

    async def _reload(self) -> None:
        now_ms = self._now_ms()
        stored = await self._query("guichet_feeds", store.read_feeds)
        if now_ms - self._administrators_ms > ADMINISTRATORS_MS:
            found = await self._query("guichet_admins", store.read_administrators)
            self.cache.administrators, self._administrators_ms = found, now_ms
        if RULES in stored:
            self.cache.rules_heard_ms = stored[RULES].heard_ms
            await self._load_rules(stored[RULES])
        if AGENTS in stored:
            await self._load_agents(stored[AGENTS])
            self.cache.agents_heard_ms = stored[AGENTS].heard_ms
        await self._load_changes(now_ms)

    async def _load_rules(self, stored: Feed) -> None:
        changes_at = self.cache.rules.changes_at
        is_over = changes_at is not None and changes_at <= self._now()
        if self._seen.get(RULES) == stored.version and not is_over:
            return
        snapshot = await self._snapshot_of(stored)
        agents = await self._agents_by(snapshot)
        # Both at once: nobody is judged by new rules with old agents.
        self.cache.snapshot, self.cache.agents_here = snapshot, agents
        for what in snapshot.skipped[:MAX_LOGGED]:
            logger.error("revision %s, not understood by this module: %s", snapshot.revision, what)
        self._seen[RULES] = stored.version

    async def _snapshot_of(self, stored: Feed) -> Snapshot:
        """The stored snapshot, reusing the one this process has just received.

        Parsing it a second time would take its memory for good.
        """
        received, self._read = self._read, None
        if received and received[0] == stored.version:
            return received[1]
        text = await self._query("guichet_body", store.read_body, RULES)
        snapshot: Snapshot = await self.api.defer_to_thread(_read_text, text, self._now())
        return snapshot

    async def _agents_by(self, snapshot: Snapshot) -> set[str]:
        """The agents among local users; empty where the server decides for all."""
        if snapshot.sources.get(self.cache.own_name) is not ClassSource.BY_PERSON:
            return set()
        self._changes_seen_ms = self._now_ms()
        pairs = await self._query("guichet_addresses", store.read_addresses)
        found: set[str] = await self.api.defer_to_thread(_agents, snapshot, pairs)
        return found

    async def _load_agents(self, stored: Feed) -> None:
        seen = self._seen.get(AGENTS)
        if seen == stored.version:
            return
        is_other_epoch = seen is None or seen[0] != stored.epoch
        after = -1 if is_other_epoch else self._agents_number
        rows = await self._query("guichet_agents", store.read_agents, after)
        agents = set() if is_other_epoch else self.cache.agents_elsewhere
        for user_id, is_agent in rows:
            (agents.add if is_agent else agents.discard)(user_id)
        self.cache.agents_elsewhere = agents
        self._seen[AGENTS], self._agents_number = stored.version, stored.number

    async def _load_changes(self, now_ms: int) -> None:
        if not self._is_by_person():
            return
        since = self._changes_seen_ms - OVERLAP_MS
        changed = await self._query("guichet_changed", store.find_changed_since, since)
        self._changes_seen_ms = now_ms
        for user_id in changed:
            await self._judge(user_id)

    async def _on_address(self, user_id: str, medium: str, _address: str) -> None:
        """An address of a local user was added or removed."""
        if medium != "email" or not self._is_by_person():
            return
        await self._judge(user_id)
        now = self._now_ms()
        await self._query("guichet_change", store.record_change, user_id, now)

    async def _judge(self, user_id: str) -> None:
        found = await self.api.get_threepids_for_user(user_id)
        emails = [one["address"] for one in found if one["medium"] == "email"]
        self.cache.judge(user_id, emails)

    def _is_by_person(self) -> bool:
        source = self.cache.class_of_server(self.cache.own_name)
        return source == ClassSource.BY_PERSON.value

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._now_ms() / MS, tz=timezone.utc)


def _good(answer: GuichetAnswer) -> Any:
    if not answer.is_good or not isinstance(answer.body, dict):
        raise GuichetUnreachable(f"answered {answer.status}: {answer.body}")
    return answer.body


def _read_text(text: str, at: datetime) -> Snapshot:
    return read_snapshot(json.loads(text), at)


def _agents(snapshot: Snapshot, pairs: list[tuple[str, str]]) -> set[str]:
    return {user_id for user_id, address in pairs if snapshot.is_address_of_agent(address)}
