"""What modules report, one shape for each kind. `of`: the users it is about, who must be the homeserver's own."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from domain_rules.user_ids import MAX_USER_ID, USER_ID

Text = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
UserId = Annotated[str, Field(max_length=MAX_USER_ID, pattern=rf"^{USER_ID.pattern}$")]

MAX_REFUSALS = 1000  # different ones in one report


@dataclass(frozen=True)
class InvitedByMail:
    """A room took a third-party invitation."""

    room_id: Text
    token: Text
    sender: UserId

    @property
    def of(self) -> tuple[str, ...]:
        return (self.sender,)


@dataclass(frozen=True)
class Revoked:
    """The event of a third-party invitation was emptied."""

    room_id: Text
    token: Text
    by: UserId

    @property
    def of(self) -> tuple[str, ...]:
        """Whom it is about: that is whoever invited, see `_revoked`."""
        return ()


@dataclass(frozen=True)
class OfUser:
    """Something about one of the homeserver's own people."""

    user_id: UserId

    @property
    def of(self) -> tuple[str, ...]:
        return (self.user_id,)


@dataclass(frozen=True)
class InRoom(OfUser):
    """Invited, joined or left. `by`: who invited, or who ended it."""

    room_id: Text
    by: UserId


@dataclass(frozen=True)
class Address(OfUser):
    """An address that the homeserver verified, or took away."""

    address: Text


@dataclass(frozen=True)
class Refused:
    """One user was refused for one reason so many times."""

    user_id: UserId
    reason: Text
    count: Annotated[int, Field(ge=1, le=1_000_000)]
    last_at: Annotated[int, Field(ge=0, le=4_102_444_800_000)]  # milliseconds


@dataclass(frozen=True)
class Refusals:
    """What was refused since the report before."""

    refusals: Annotated[tuple[Refused, ...], Field(max_length=MAX_REFUSALS)]

    @property
    def of(self) -> tuple[str, ...]:
        return tuple(each.user_id for each in self.refusals)
