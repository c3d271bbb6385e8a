"""The entry point of the command `guichet`; without its dependencies it says what to install."""

import sys

OURS = {"identity", "domain_rules"}


def main() -> object:
    """Run the command that is called."""
    try:
        from .commands import guichet  # noqa: PLC0415  the base install has neither click nor the rest

        return guichet()
    except ModuleNotFoundError as error:
        missing = error.name or "a module"
        if missing.partition(".")[0] in OURS:
            raise
        sys.exit(
            f"guichet: {missing} is missing: the service is not installed here "
            "(install matrix-guichet with its extra [service])"
        )
