"""Who is found when somebody searches for people: guests find nobody and are not found, nor is the red list.

The red list are those who set `im.vector.hide_profile` in their account data. Whoever has their exact
address finds them all the same: that is asked of Guichet, not of this directory.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from domain_rules.rules import AccountClass

from . import agents_only
from .cache import Cache
from .configuration import Config
from .guards import Guards
from .refusals import Refusals
from .sentences import Reason

HIDE_PROFILE = "im.vector.hide_profile"
MS = 1000
MAX_POLL = (
    20  # seconds: who hides is hidden within a minute, however seldom the rules are asked for
)
SEARCH_MS = 2000  # the rows of a search come one by one: together they are one refusal
MAX_SEARCHERS = 10_000

# Beside Synapse's account_data, which has no index that would tell quickly what is new.
TABLE = "CREATE TABLE IF NOT EXISTS guichet_red_list (user_id TEXT PRIMARY KEY)"

logger = logging.getLogger(__name__)


def wants_to_hide(content: object) -> bool:
    """Only what is plainly true hides; anybody may write anything there."""
    return isinstance(content, Mapping) and content.get("hide_profile") is True


def load(txn: Any) -> frozenset[str]:
    """The whole list: some thousand names at most."""
    txn.execute("SELECT user_id FROM guichet_red_list")
    return frozenset(user_id for (user_id,) in txn.fetchall())


def record_choice(txn: Any, user_id: str, *, hides: bool) -> None:
    """One person thought again."""
    if hides:
        txn.execute(
            "INSERT INTO guichet_red_list (user_id) VALUES (?) ON CONFLICT DO NOTHING", (user_id,)
        )
    else:
        txn.execute("DELETE FROM guichet_red_list WHERE user_id = ?", (user_id,))


def create_tables(txn: Any) -> frozenset[str]:
    """The first look of a process."""
    txn.execute(TABLE)
    return load(txn)


def reconcile(txn: Any) -> frozenset[str]:
    """The first look of one process: who thought again while the module was off, by all account data."""
    listed = create_tables(txn)
    txn.execute(
        "SELECT user_id, content FROM account_data WHERE account_data_type = ?", (HIDE_PROFILE,)
    )
    hidden = frozenset(user_id for user_id, content in txn.fetchall() if _hides(content))
    for user_id in listed ^ hidden:
        record_choice(txn, user_id, hides=user_id in hidden)
    return hidden


def _hides(content: str) -> bool:
    try:
        return wants_to_hide(json.loads(content))
    except ValueError:
        return False


class Directory:
    """One callback for each row that was found: nothing is asked of anybody there."""

    def __init__(self, config: Config, api: Any, cache: Cache, refusals: Refusals) -> None:
        self.api = api
        self.cache = cache
        self.refusals = refusals
        self.red_list: frozenset[str] | None = None  # None: not read yet
        self._noted_ms: dict[str, int] = {}
        guards = Guards(refusals, closes_for=lambda _user_id: True)
        api.register_spam_checker_callbacks(
            check_username_for_spam=guards.deciding(
                self.is_hidden, otherwise=lambda: not refusals.is_log_only
            )
        )
        api.register_account_data_callbacks(
            on_account_data_updated=guards.noticing(self.account_data_changed)
        )
        # Only one process is told of a change; the others read it from the table.
        self._query = reconcile if api.should_run_background_tasks() else create_tables
        api.delayed_background_call(0, self.refresh, desc="guichet_red_list_start")
        api.looping_background_call(
            self.refresh,
            min(config.poll_seconds, MAX_POLL) * MS,
            desc="guichet_red_list",
            run_on_all_instances=True,
        )

    async def is_hidden(self, profile: Mapping[str, Any], searcher: str) -> bool:
        """True takes this row from what `searcher` gets."""
        await self.cache.ready()
        if self.cache.is_exempt(searcher):
            return False
        if self.cache.class_of(searcher) is AccountClass.GUEST:
            self._note_search(searcher)
            return not self.refusals.is_log_only
        return not self.refusals.is_log_only and self._is_withheld(str(profile["user_id"]))

    def _is_withheld(self, found: str) -> bool:
        # Before the list was read nobody is shown: somebody on it would be.
        if self.red_list is None or found in self.red_list:
            return True
        return self.cache.class_of(found) is AccountClass.GUEST

    def _note_search(self, searcher: str) -> None:
        now_ms = self.api.get_current_time_msec()
        if now_ms - self._noted_ms.get(searcher, 0) < SEARCH_MS:
            return
        if len(self._noted_ms) >= MAX_SEARCHERS:
            self._noted_ms.clear()
        self._noted_ms[searcher] = now_ms
        self.refusals.note(Reason.GUEST_MAY_NOT_SEARCH_PEOPLE, searcher)

    async def account_data_changed(
        self, user_id: str, room_id: str | None, data_type: str, content: object
    ) -> None:
        """Called in the one process that writes account data."""
        if data_type != HIDE_PROFILE or room_id is not None:
            return
        hides = wants_to_hide(content)
        if self.red_list is not None:
            self.red_list = self.red_list | {user_id} if hides else self.red_list - {user_id}
        await self.api.run_db_interaction("guichet_red_list", record_choice, user_id, hides=hides)

    async def refresh(self) -> None:
        """One process looks first for what changed meanwhile; the others read what it wrote."""
        try:
            self.red_list = await self.api.run_db_interaction("guichet_red_list", self._query)
        except Exception:  # several processes may make the table at once: one wins
            logger.warning("The red list cannot be read, again soon", exc_info=True)
        else:
            self._query = load


class Part(Directory):
    """The people search, and the door that a proxy asks at."""

    def __init__(self, config: Config, api: Any, cache: Cache, refusals: Refusals) -> None:
        super().__init__(config, api, cache, refusals)
        agents_only.register(api, cache, refusals)
