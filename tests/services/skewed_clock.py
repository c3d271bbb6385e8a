"""Processes whose clock is ahead of this machine's or behind it (Debian's faketime)."""

from pathlib import Path

from .children import MissingService

ROOT = Path(__file__).parents[2]


def skewed(seconds: int) -> dict[str, str]:
    """The environment of such a process. Its monotonic clock stays true, as on a real machine."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise MissingService("faketime is not installed: apt-get install faketime")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else Python's threads wait seconds for their turn
        "NO_FAKE_STAT": "1",  # gunicorn keeps monotonic times in the dates of a file
        "PYTHONPATH": f"{Path(__file__).parent / 'skewed'}:{ROOT}",
    }
