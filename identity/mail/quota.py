"""Limits on mails to one mailbox: how many of which template in which time."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Template(StrEnum):
    """Which text a mail carries."""

    VERIFY = "verify"
    EXISTS = "exists"
    NONE = "none"
    WELCOME = "welcome"
    SERVER_READY = "server_ready"
    CLIENT_VERIFY = "client_verify"  # the code that a Matrix client asks for
    INVITE = "invite"
    INVITE_DIGEST = "invite_digest"  # several invitations, once an address had its mails of a day
    LIST_CODE = "list_code"  # signs an agent in to their bulk invites
    CODE_USED = "code_used"  # tells the mailbox that a code sent to it was used
    BULK_REPORT = "bulk_report"  # the outcome of a bulk invite
    NOT_INVITED = "not_invited"  # tells the inviter that the room did not accept an invitation
    REMINDER = "reminder"  # about an unanswered invitation
    CHANGE_NOTICE = "change_notice"  # tells an approver what became of a change of rules
    OPERATOR_CODE = "operator_code"  # signs an operator in to the console
    OPERATOR_INVITE = "operator_invite"  # somebody was made an operator
    OPERATOR_NOTICE = "operator_notice"  # what was done to an operator's access
    OPERATOR_TEST = "operator_test"  # shows an operator what people get
    DOMAIN_CODE = "domain_code"  # proves the mailbox of somebody who asks for their domain
    DOMAIN_REQUEST = "domain_request"  # their request is stored
    DOMAIN_QUESTION = "domain_question"  # operators ask them something
    DOMAIN_DECISION = "domain_decision"  # what became of it


Quotas = tuple[tuple[int, timedelta], ...]
"""Pairs of a maximum number of mails and the time in which it applies; all apply at once."""

DAY = timedelta(days=1)
HALF_AN_HOUR = timedelta(minutes=30)
QUOTAS: Quotas = ((1, timedelta(minutes=1)), (5, timedelta(hours=1)), (10, DAY))
# Stricter limits a day: a mail over them is withheld, and nobody is told.
DAILY = {Template.EXISTS: 3, Template.NONE: 1}
REQUESTED = (Template.VERIFY, Template.EXISTS, Template.NONE)
TO_OPERATORS = (
    Template.CHANGE_NOTICE,
    Template.OPERATOR_CODE,
    Template.OPERATOR_INVITE,
    Template.OPERATOR_NOTICE,
    Template.OPERATOR_TEST,
)
INVITING = (Template.INVITE, Template.INVITE_DIGEST, Template.REMINDER)


@dataclass(frozen=True)
class Bound:
    """How many mails of these templates, counted together, a mailbox receives at most."""

    templates: tuple[Template, ...]
    quotas: Quotas


OF_REQUESTED = Bound(REQUESTED, QUOTAS)
# Wide, for all accounts together: each account has narrower ones, see threepids/validation.py.
OF_CLIENTS = Bound(
    (Template.CLIENT_VERIFY,),
    ((1, timedelta(minutes=1)), (10, timedelta(hours=1)), (30, DAY)),
)
OF_LIST_CODES = Bound((Template.LIST_CODE,), QUOTAS)
OF_DOMAIN_CODES = Bound((Template.DOMAIN_CODE,), QUOTAS)
# The recipients did not request these: one mail in half an hour covers all that came meanwhile.
OF_INVITING = Bound(INVITING, ((1, HALF_AN_HOUR),))
OF_INVITES = Bound((Template.INVITE,), ((3, DAY),))
OF_NOT_INVITED = Bound((Template.NOT_INVITED,), ((1, HALF_AN_HOUR), (10, DAY)))
OF_REPEATING = Bound((Template.INVITE_DIGEST, Template.REMINDER), ((1, DAY),))
OF_CHANGES = Bound((Template.CHANGE_NOTICE,), ((5, timedelta(hours=1)), (10, DAY)))
OF_OPERATOR_CODES = Bound((Template.OPERATOR_CODE,), QUOTAS)
OF_OPERATORS = Bound(
    (Template.OPERATOR_INVITE, Template.OPERATOR_NOTICE), ((5, timedelta(hours=1)), (10, DAY))
)
OF_TESTS = Bound((Template.OPERATOR_TEST,), ((5, timedelta(hours=1)), (10, DAY)))
OF_RESULTS = Bound(
    (Template.WELCOME, Template.SERVER_READY, Template.BULK_REPORT, Template.CODE_USED),
    ((5, timedelta(hours=1)), (10, DAY)),
)
OF_DOMAIN_REQUESTS = Bound(
    (Template.DOMAIN_REQUEST, Template.DOMAIN_QUESTION, Template.DOMAIN_DECISION),
    ((5, timedelta(hours=1)), (10, DAY)),
)
BOUNDS: dict[Template, tuple[Bound, ...]] = {
    Template.VERIFY: (OF_REQUESTED,),
    Template.EXISTS: (OF_REQUESTED,),
    Template.NONE: (OF_REQUESTED,),
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
    Template.CHANGE_NOTICE: (OF_CHANGES,),
    Template.OPERATOR_CODE: (OF_OPERATOR_CODES,),
    Template.OPERATOR_INVITE: (OF_OPERATORS,),
    Template.OPERATOR_NOTICE: (OF_OPERATORS,),
    Template.OPERATOR_TEST: (OF_TESTS,),
    Template.DOMAIN_CODE: (OF_DOMAIN_CODES,),
    Template.DOMAIN_REQUEST: (OF_DOMAIN_REQUESTS,),
    Template.DOMAIN_QUESTION: (OF_DOMAIN_REQUESTS,),
    Template.DOMAIN_DECISION: (OF_DOMAIN_REQUESTS,),
}
"""Every template has one. What causes mails is limited by its own story; docs/behaviour.md has
the whole table."""


def longest_window(quotas: Iterable[Quotas]) -> timedelta:
    """The longest window of these quotas: how far back mails count."""
    return max((window for each in quotas for _, window in each), default=timedelta())


def first_free_moment(
    counted: Sequence[tuple[Sequence[datetime], Quotas]], earliest: datetime
) -> datetime:
    """The first time, not before `earliest`, at which one more mail fits into all quotas.

    `counted`: for each quotas the times of the mails that count in them, oldest first; they may lie
    in the future.
    """
    freed = {time + window for times, quotas in counted for time in times for _, window in quotas}
    moments = sorted({earliest, *(moment for moment in freed if moment > earliest)})
    return next(
        at
        for at in moments
        if all(_has_room(times, at, *quota) for times, quotas in counted for quota in quotas)
    )


def _has_room(times: Sequence[datetime], at: datetime, count: int, window: timedelta) -> bool:
    """Whether, with one more mail at `at`, no span of `window` holds more than `count` mails."""
    place = bisect_left(times, at)
    near = [*times[max(0, place - count) : place], at, *times[place : place + count]]
    return all(last - first >= window for first, last in zip(near, near[count:], strict=False))
