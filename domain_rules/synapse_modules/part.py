"""What every part of the module is given, and what all of them do with it."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import store
from .cache import Cache
from .clients import GuichetClient
from .configuration import Config
from .refusals import Refusals

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """Built once in each process. `api`: Synapse's ModuleApi."""

    config: Config
    api: Any
    cache: Cache
    refusals: Refusals
    client: GuichetClient


class Part:
    """A part of the module, or a piece of one. It has what the context has."""

    def __init__(self, context: Context) -> None:
        self.config = context.config
        self.api = context.api
        self.cache = context.cache
        self.refusals = context.refusals
        self.client = context.client

    def _now_ms(self) -> int:
        return int(self.api.get_current_time_msec())

    async def _query(self, name: str, function: Callable[..., Any], *facts: Any) -> Any:
        """What the function returns in a transaction of Synapse's database. `name`: for its metrics."""
        return await self.api.run_db_interaction(name, function, *facts)

    async def _create_tables(self, tables: Iterable[str]) -> None:
        for table in tables:
            await self._create_table(table)

    async def _create_table(self, table: str) -> None:
        try:
            await self._query("guichet_tables", store.create_table, table)
        except Exception:  # on PostgreSQL another process may create it at the same moment
            logger.info("a table of Guichet's module exists already", exc_info=True)
