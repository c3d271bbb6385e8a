"""Which part of a domain its owner registered, by the list of public suffixes.

The list comes from a package, which is loaded at the first use.
"""

from functools import cache
from typing import Any


def is_public_suffix(domain: str) -> bool:
    """Whether domains below this one (A-label) belong to different owners, as below `fr`."""
    return bool(_public_suffixes().is_public(domain))


def owner_of(domain: str) -> str:
    """The registrable domain of a domain (A-label): what one owner has. A public suffix is its own."""
    return _public_suffixes().privatesuffix(domain) or domain


@cache
def _public_suffixes() -> Any:  # the package has no types
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415  large

    return PublicSuffixList()
