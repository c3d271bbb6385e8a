"""How many mails a mailbox gets in a time: of each template, and when the next may go, given when the others go."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Template(StrEnum):
    """Which text the mail carries."""

    VERIFY = "verify"
    EXISTS = "exists"
    NONE = "none"
    WELCOME = "welcome"
    SERVER_READY = "server_ready"
    CLIENT_VERIFY = "client_verify"  # what a Matrix client wants proved
    INVITE = "invite"
    INVITE_DIGEST = (
        "invite_digest"  # instead of the invitations over what one address gets in a day
    )
    LIST_CODE = "list_code"  # to see one's lists of people
    CODE_USED = "code_used"  # the mailbox hears that a code of its was used
    BULK_REPORT = "bulk_report"  # what became of a list
    NOT_INVITED = "not_invited"  # who invited hears that the room did not take it
    REMINDER = "reminder"  # of an invitation nobody answered


Quotas = tuple[tuple[int, timedelta], ...]
"""At most so many mails in such a time, all of them at once."""

DAY = timedelta(days=1)
HALF_AN_HOUR = timedelta(minutes=30)
QUOTAS: Quotas = ((1, timedelta(minutes=1)), (5, timedelta(hours=1)), (10, DAY))
# Stricter ones, by what the mailbox is told: over them the mail is withheld and nobody is told.
DAILY = {Template.EXISTS: 3, Template.NONE: 1}
ASKED_FOR = (Template.VERIFY, Template.EXISTS, Template.NONE)
INVITING = (Template.INVITE, Template.INVITE_DIGEST, Template.REMINDER)


@dataclass(frozen=True)
class Bound:
    """What a mailbox gets at most of these templates, counted together, whoever causes them."""

    templates: tuple[Template, ...]
    quotas: Quotas


OF_ASKED_FOR = Bound(ASKED_FOR, QUOTAS)
# Wide, for all accounts together: each has narrower bounds of its own, see threepids/validation.py.
OF_CLIENTS = Bound(
    (Template.CLIENT_VERIFY,),
    ((1, timedelta(minutes=1)), (10, timedelta(hours=1)), (30, DAY)),
)
OF_LIST_CODES = Bound((Template.LIST_CODE,), QUOTAS)
# Nobody asked for these: one mail in half an hour tells of all that came meanwhile.
OF_INVITING = Bound(INVITING, ((1, HALF_AN_HOUR),))
OF_INVITES = Bound((Template.INVITE,), ((3, DAY),))
OF_NOT_INVITED = Bound((Template.NOT_INVITED,), ((1, HALF_AN_HOUR), (10, DAY)))
OF_REPEATING = Bound((Template.INVITE_DIGEST, Template.REMINDER), ((1, DAY),))
OF_RESULTS = Bound(
    (Template.WELCOME, Template.SERVER_READY, Template.BULK_REPORT, Template.CODE_USED),
    ((5, timedelta(hours=1)), (10, DAY)),
)
BOUNDS: dict[Template, tuple[Bound, ...]] = {
    Template.VERIFY: (OF_ASKED_FOR,),
    Template.EXISTS: (OF_ASKED_FOR,),
    Template.NONE: (OF_ASKED_FOR,),
    Template.CLIENT_VERIFY: (OF_CLIENTS,),
    Template.LIST_CODE: (OF_LIST_CODES,),
    Template.INVITE: (OF_INVITING, OF_INVITES),
    Template.INVITE_DIGEST: (OF_INVITING, OF_REPEATING),
    Template.REMINDER: (OF_INVITING, OF_REPEATING),
    Template.WELCOME: (OF_RESULTS,),
    Template.SERVER_READY: (OF_RESULTS,),
    Template.BULK_REPORT: (OF_RESULTS,),
    Template.CODE_USED: (OF_RESULTS,),
    Template.NOT_INVITED: (OF_NOT_INVITED,),
}
"""Every mail has one; what caused it is bounded where it is caused (docs/operations.md has the table)."""


def longest(quotas: Iterable[Quotas]) -> timedelta:
    """How far back mails count."""
    return max((window for each in quotas for _, window in each), default=timedelta())


def first_free(
    counted: Sequence[tuple[Sequence[datetime], Quotas]], earliest: datetime
) -> datetime:
    """The first moment, not before `earliest`, at which one more fits into all quotas.

    `counted`: for each quotas the times that count in them, oldest first; they may lie in the future.
    """
    freed = {time + window for times, quotas in counted for time in times for _, window in quotas}
    moments = sorted({earliest, *(moment for moment in freed if moment > earliest)})
    return next(
        at
        for at in moments
        if all(_has_room(times, at, *quota) for times, quotas in counted for quota in quotas)
    )


def _has_room(times: Sequence[datetime], at: datetime, count: int, window: timedelta) -> bool:
    """Whether with one more at this moment no span of `window` has over `count`, before or after it."""
    place = bisect_left(times, at)
    near = [*times[max(0, place - count) : place], at, *times[place : place + count]]
    return all(last - first >= window for first, last in zip(near, near[count:], strict=False))
