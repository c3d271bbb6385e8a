"""Our module with a timer around each of its callbacks, for a Synapse of the benchmark."""

import functools
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from domain_rules.synapse_modules import Guichet
from domain_rules.synapse_modules.configuration import Config

TIMES = "GUICHET_BENCH_TIMES"  # path of the file with a line for each call: callback, seconds


class Timed(Guichet):
    """Our module; it behaves the same for Synapse."""

    def __init__(self, config: Config, api: Any) -> None:
        super().__init__(config, _Timing(api))


class _Timing:
    """Synapse's module API, which times the callbacks registered through it."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._times = Path(os.environ[TIMES]).open("a", buffering=1)  # noqa: SIM115  # as long as Synapse runs

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._api, name)
        if not (name.startswith("register_") and name.endswith("_callbacks")):
            return found

        def register(**callbacks: Any) -> None:
            found(
                **{
                    each: self._timed(
                        f"{callback.__module__.rpartition(chr(46))[2]}.{each}", callback
                    )
                    if callable(callback)
                    else callback
                    for each, callback in callbacks.items()
                }
            )

        return register

    def _timed(
        self, name: str, callback: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(callback)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await callback(*args, **kwargs)
            finally:
                self._times.write(f"{name} {time.perf_counter() - began:.9f}\n")

        return timed
