"""Signatures with a time that other machines of ours check, whose clocks may differ a little."""

from datetime import datetime
from typing import Any

from itsdangerous import TimestampSigner

LEEWAY = 60  # seconds by which the clock that signed may be ahead of ours


class LenientSigner(TimestampSigner):
    """Takes a signature from the near future as one of now; itsdangerous refuses it.

    Used for one signature only, as its serializers do.
    """

    _ahead = 0

    def get_timestamp(self) -> int:
        return super().get_timestamp() + self._ahead

    def unsign(
        self,
        signed_value: str | bytes,
        max_age: int | None = None,
        return_timestamp: bool = False,  # noqa: FBT001, FBT002  itsdangerous's signature
    ) -> Any:
        """Check it a minute later, when it may be a minute older. Raises BadSignature."""
        self._ahead = LEEWAY
        allowed = None if max_age is None else max_age + LEEWAY
        made: bytes | tuple[bytes, datetime]
        made = super().unsign(signed_value, allowed, return_timestamp)  # type: ignore[call-overload]  # its overloads want a literal
        return made
