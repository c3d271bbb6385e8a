"""The base class of enumerations whose members are strings."""

from enum import Enum


class StrEnum(str, Enum):
    """A member is equal to its value and printed as it.

    Python's own `enum.StrEnum` came with 3.11, and Synapse still runs on 3.10.
    """

    def __str__(self) -> str:
        return str(self.value)
