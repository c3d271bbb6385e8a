"""Filters the search of the user directory: guests find nobody, and are not found.

Nor are people found who set `im.vector.hide_profile` in their account data (the red list). Who
knows their exact address finds them all the same, through Guichet. Server administrators are
accounts of programs, as Guichet's own, and no people to write to.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from . import agents_only
from .guards import Guards
from .part import Context, Part
from .sentences import RefusalReason

HIDE_PROFILE = "im.vector.hide_profile"
MS = 1000
MAX_POLL_SECONDS = (
    20  # a hidden person disappears within a minute, however seldom rules are fetched
)
SEARCH_MS = 2000  # the rows of one search within this time count as one refusal
MAX_SEARCHERS = 10_000

# Synapse's account_data has no index by which changes could be found quickly.
TABLE = "CREATE TABLE IF NOT EXISTS guichet_red_list (user_id TEXT PRIMARY KEY)"

logger = logging.getLogger(__name__)


def wants_to_hide(content: object) -> bool:
    """Whether the account data hide the person: only a plain true does."""
    return isinstance(content, Mapping) and content.get("hide_profile") is True


def read_red_list(txn: Any) -> frozenset[str]:
    """The whole list, some thousand user IDs at most."""
    txn.execute("SELECT user_id FROM guichet_red_list")
    return frozenset(user_id for (user_id,) in txn.fetchall())


def record_choice(txn: Any, user_id: str, *, hides: bool) -> None:
    """Record that a person hides or no longer hides."""
    if hides:
        txn.execute(
            "INSERT INTO guichet_red_list (user_id) VALUES (?) ON CONFLICT DO NOTHING", (user_id,)
        )
    else:
        txn.execute("DELETE FROM guichet_red_list WHERE user_id = ?", (user_id,))


def create_and_read_red_list(txn: Any) -> frozenset[str]:
    """The first read of a process."""
    txn.execute(TABLE)
    return read_red_list(txn)


def reconcile_red_list(txn: Any) -> frozenset[str]:
    """The first read of one process: catches up with changes made while the module was off."""
    listed = create_and_read_red_list(txn)
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


class PeopleSearch(Part):
    """The callbacks of the search.

    Synapse calls them for each row found, so nothing is requested.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.red_list: frozenset[str] | None = None  # None: not read yet
        self._noted_ms: dict[str, int] = {}
        guards = Guards(self.refusals, closes_for=lambda _user_id: True)
        self.api.register_spam_checker_callbacks(
            check_username_for_spam=guards.deciding(
                self.is_hidden, otherwise=lambda: not self.refusals.is_log_only
            )
        )
        self.api.register_account_data_callbacks(
            on_account_data_updated=guards.noticing(self.account_data_changed)
        )
        # Only one process is called for a change; the others read it from the table.
        self._read = (
            reconcile_red_list
            if self.api.should_run_background_tasks()
            else create_and_read_red_list
        )
        self.api.delayed_background_call(0, self.refresh, desc="guichet_red_list_start")
        self.api.looping_background_call(
            self.refresh,
            min(self.config.poll_seconds, MAX_POLL_SECONDS) * MS,
            desc="guichet_red_list",
            run_on_all_instances=True,
        )

    async def is_hidden(self, profile: Mapping[str, Any], searcher: str) -> bool:
        """True removes this row from the results of `searcher`."""
        await self.cache.ready()
        if self.cache.is_exempt(searcher):
            return False
        if self.cache.is_guest(searcher):
            self._note_search(searcher)
            return not self.refusals.is_log_only
        return not self.refusals.is_log_only and self._is_withheld(str(profile["user_id"]))

    def _is_withheld(self, found: str) -> bool:
        # Until the list is read nobody is shown, since some people may be hidden.
        if self.red_list is None or found in self.red_list:
            return True
        return found in self.cache.administrators or self.cache.is_guest(found)

    def _note_search(self, searcher: str) -> None:
        now_ms = self._now_ms()
        if now_ms - self._noted_ms.get(searcher, 0) < SEARCH_MS:
            return
        if len(self._noted_ms) >= MAX_SEARCHERS:
            self._noted_ms.clear()
        self._noted_ms[searcher] = now_ms
        self.refusals.record(RefusalReason.GUEST_MAY_NOT_SEARCH_PEOPLE, searcher)

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
        """Read the list.

        The first time, one process looks for changes, and the others read what it wrote.
        """
        try:
            self.red_list = await self._query("guichet_red_list", self._read)
        except Exception:  # several processes may create the table at once: one wins
            logger.warning("The red list cannot be read, again soon", exc_info=True)
        else:
            self._read = read_red_list


class Directory(PeopleSearch):
    """The part: the people search, and the path that a proxy asks."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        agents_only.register(context)
