"""When something that failed is tried again, and when no more: one table for each kind of failure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True)
class Retries:
    """The pause after each failed try, the last one for all further; and when the tries end.

    `give_up_after`: how long after its beginning no further try may come. `max_tries`: how many there are.
    None: the one who asks decides.
    """

    pauses: tuple[timedelta, ...]
    give_up_after: timedelta | None = None
    max_tries: int | None = None

    def pause_after(self, tries: int) -> timedelta:
        """How long to wait after so many tries, of which the first is 1."""
        return self.pauses[min(max(tries, 1), len(self.pauses)) - 1]

    def next_pause(self, tries: int, *, began_at: datetime, now: datetime) -> timedelta | None:
        """How long to wait after so many tries of what began then; None: it is given up."""
        if self.max_tries is not None and tries >= self.max_tries:
            return None
        pause = self.pause_after(tries)
        is_over = self.give_up_after is not None and now + pause > began_at + self.give_up_after
        return None if is_over else pause


def _seconds(*numbers: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=number) for number in numbers)


def _minutes(*numbers: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=number) for number in numbers)


# A fault of ours in a job: it must stop no lane, and is not tried for ever.
UNFORESEEN: Final = Retries((*_seconds(20), *_minutes(1, 10, 60)), max_tries=20)

# Mails, by what the relay answered (mail/outcomes.py). They are given up by their age, counted from
# when they were due.
RELAY_AWAY: Final = Retries(_minutes(1 / 12, 1 / 4, 1, 5))
MAIL_DEFERRED: Final = Retries(_minutes(1, 5, 10, 20, 40, 60, 120))
MAIL_AGE: Final = timedelta(hours=24)  # by then its code is useless
INVITING_MAIL_AGE: Final = timedelta(hours=48)
MAILBOX_FULL: Final = Retries(_minutes(60), max_tries=24)

# Homeservers that do not answer.
HOMESERVER_PROBE: Final = Retries((*_seconds(15, 30), *_minutes(1, 5)))
BULK_INVITE_ROW: Final = Retries(
    (*_seconds(5, 30), *_minutes(5, 30, 120)), give_up_after=timedelta(hours=48)
)
REVOCATION: Final = Retries(
    (*_seconds(5), *_minutes(1, 10, 60, 360)), give_up_after=timedelta(days=3)
)
ONBIND: Final = Retries(
    (*_seconds(1, 5, 15), *_minutes(1, 5, 15, 60, 180, 360)), give_up_after=timedelta(days=14)
)

# A homeserver's module that does not say whether a room took an invitation: up to which age of the
# request it is asked how often. The mail is held as long.
ROOM_HELD: Final = timedelta(hours=24)
ROOM_SILENT: Final = (
    (timedelta(minutes=10), timedelta(seconds=30)),
    (timedelta(hours=1), timedelta(minutes=5)),
    (ROOM_HELD, timedelta(minutes=15)),
)
