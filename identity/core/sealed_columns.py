"""The mark of columns that are sealed by a storage key, apart from what seals: tables load no cryptography."""

from typing import Final

SEALED: Final = {"sealed": True}
"""Re-sealing finds the columns by it."""
