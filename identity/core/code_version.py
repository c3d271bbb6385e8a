"""The version of the code that runs."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache  # the metadata are read from a file, for milliseconds
def code_version() -> str:
    """As in the changelog; "unknown" where Guichet is not installed."""
    try:
        return version("matrix-guichet")
    except PackageNotFoundError:
        return "unknown"
