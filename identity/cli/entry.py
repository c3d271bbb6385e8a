"""The entry point of the command `guichet`; without its dependencies it says what to install."""

import sys
from collections.abc import Callable
from functools import partial
from typing import NoReturn

OURS = {"identity", "domain_rules"}


def _commands() -> Callable[[], object]:
    try:
        from .commands import guichet  # noqa: PLC0415  the base install has neither click nor the rest
    except ModuleNotFoundError as error:
        missing = error.name or "a module"
        if missing.partition(".")[0] in OURS:
            raise
        return partial(_say_missing, missing)
    return guichet


def _say_missing(module: str) -> NoReturn:
    sys.exit(
        f"guichet: {module} is missing: the service is not installed here "
        "(install matrix-guichet with its extra [service])"
    )


main = _commands()
