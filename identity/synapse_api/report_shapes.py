"""The shapes of the reports of our modules, one for each kind.

`about` has the users a report is about; they must be users of the reporting homeserver.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from domain_rules.user_ids import MAX_USER_ID, USER_ID

Text = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
UserId = Annotated[str, Field(max_length=MAX_USER_ID, pattern=rf"^{USER_ID.pattern}$")]

MAX_TIME = 253_402_300_799_000  # milliseconds: the end of the year 9999
MAX_REFUSALS = 1000  # entries in one report


@dataclass(frozen=True)
class InvitedByMail:
    """A third-party invitation was sent to a room (m.room.third_party_invite)."""

    room_id: Text
    token: Text
    sender: UserId

    @property
    def about(self) -> tuple[str, ...]:
        return (self.sender,)


@dataclass(frozen=True)
class Stands(InvitedByMail):
    """A third-party invitation stands in a room, and nobody has taken it up.

    `shown`: the masked name of the invited person. `at`: when it was sent, in milliseconds.
    """

    at: Annotated[int, Field(ge=0, le=MAX_TIME)]
    shown: Annotated[str, Field(max_length=512)] = ""


@dataclass(frozen=True)
class Revoked:
    """A third-party invitation was revoked in its room: its event has no content any more."""

    room_id: Text
    token: Text
    by: UserId

    @property
    def about(self) -> tuple[str, ...]:
        """Nobody: `reports._revoked` checks the homeserver of the inviter instead."""
        return ()


@dataclass(frozen=True)
class OfUser:
    """A report about one user of the homeserver."""

    user_id: UserId

    @property
    def about(self) -> tuple[str, ...]:
        return (self.user_id,)


@dataclass(frozen=True)
class InRoom(OfUser):
    """A user was invited, joined or left. `by`: the sender of the membership event."""

    room_id: Text
    by: UserId


@dataclass(frozen=True)
class Address(OfUser):
    """The homeserver verified an address of a user, or removed it."""

    address: Text


@dataclass(frozen=True)
class Refused:
    """How often one user was refused for one reason."""

    user_id: UserId
    reason: Text
    count: Annotated[int, Field(ge=1, le=1_000_000)]
    last_at: Annotated[int, Field(ge=0, le=4_102_444_800_000)]  # milliseconds since 1970


@dataclass(frozen=True)
class Refusals:
    """The refusals since the last report."""

    refusals: Annotated[tuple[Refused, ...], Field(max_length=MAX_REFUSALS)]

    @property
    def about(self) -> tuple[str, ...]:
        return tuple(each.user_id for each in self.refusals)
