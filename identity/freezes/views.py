"""What is told of a freeze: one dictionary for commands, API, console and journal."""

from .models import Freeze


def describe(freeze: Freeze) -> dict[str, str | None]:
    """A freeze as JSON."""
    return {
        "what": str(freeze.what),
        "domain": freeze.domain or None,
        "since": freeze.since.isoformat(timespec="seconds"),
        "until": freeze.until.isoformat(timespec="seconds") if freeze.until else None,
        "author": freeze.author,
        "reason": freeze.reason,
    }
