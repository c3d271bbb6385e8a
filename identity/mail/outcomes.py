"""What a mail server's answer means, and when to try again. No network, no clock."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """Why a mail was not handed over."""

    RELAY_DOWN = "relay_down"  # not about this mail: the relay cannot be used now
    DEFER = "defer"  # greylisting: the same again in a while
    MAILBOX_FULL = "mailbox_full"
    THROTTLE = "throttle"  # too many at once for the receiving domain
    NO_MAILBOX = "no_mailbox"
    BAD_DOMAIN = "bad_domain"
    BLOCKED = "blocked"  # our mails are filtered; the address is not to blame
    CONTENT = "content"  # the mail itself cannot be sent: a fault of ours
    UNKNOWN = "unknown"  # lost after the last dot: it may have been taken
    REFUSED = "refused"  # any other final refusal
    DEFERRED_OTHER = "deferred_other"  # any other "not now"


class NotSent(Exception):
    """The mail was not handed over. `reply` is fit for operators: no address, code or link in it."""

    def __init__(self, outcome: Outcome, reply: str) -> None:
        super().__init__(f"{outcome}: {reply}")
        self.outcome = outcome
        self.reply = reply


ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
NEEDS_LOGIN: Final = {530, 534, 535, 538}
NO_MAILBOX: Final = {"1.1", "1.6", "1.10"}
BAD_DOMAIN: Final = {"1.2", "4.4"}


def classify(code: int, text: str) -> Outcome:
    """The class of a refusal, from the reply's code and the enhanced status its text begins with."""
    found = ENHANCED.match(text)
    status = f"{found[2]}.{found[3]}" if found and found[1] == str(code)[:1] else ""
    subject = status.partition(".")[0]
    if status == "2.2" and 400 <= code < 600:  # noqa: PLR2004  both kinds of refusal
        return Outcome.MAILBOX_FULL
    match code // 100:
        case 4:
            return _not_now(code, status, subject)
        case 5:
            return _never(code, status, subject, text)
        case _:
            return Outcome.RELAY_DOWN  # not an answer to what was asked


def _not_now(code: int, status: str, subject: str) -> Outcome:
    if code in {421, 454} and subject == "7":
        return Outcome.THROTTLE
    if code == 421 or subject in {"3", "4"}:  # noqa: PLR2004  "service not available"
        return Outcome.RELAY_DOWN
    if status == "2.0" or (code in {450, 451} and subject == "7"):
        return Outcome.DEFER
    return Outcome.DEFERRED_OTHER


def _never(code: int, status: str, subject: str, text: str) -> Outcome:
    if code in NEEDS_LOGIN:
        return Outcome.RELAY_DOWN  # our account at the relay; every mail would meet the same
    if code == 556 or status in BAD_DOMAIN:  # noqa: PLR2004  a domain that takes no mail: RFC 7504
        return Outcome.BAD_DOMAIN
    if status in NO_MAILBOX:
        return Outcome.NO_MAILBOX
    if subject == "7":
        return Outcome.BLOCKED
    if subject == "6" or status == "3.4" or (code == 553 and "SMTPUTF8" in text.upper()):  # noqa: PLR2004
        return Outcome.CONTENT
    return Outcome.REFUSED


def _minutes(*numbers: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=number) for number in numbers)


SLOWLY: Final = _minutes(1, 5, 10, 20, 40, 60, 120)
DELAYS: Final = {  # by try; the last one goes on
    Outcome.RELAY_DOWN: _minutes(1 / 12, 1 / 4, 1, 5),
    Outcome.DEFER: SLOWLY,
    Outcome.DEFERRED_OTHER: SLOWLY,
    Outcome.THROTTLE: SLOWLY,
    Outcome.MAILBOX_FULL: _minutes(60),
}
TRIES_AT_A_FULL_MAILBOX = 24
AFTER_A_LOSS: Final = timedelta(minutes=10)


def next_try(outcome: Outcome, attempts: int, *, before: str | None = None) -> timedelta | None:
    """How long to wait after the `attempts`-th try ended so; None: stop. Giving up by age is the caller's.

    `before`: how the try before this one ended, where the caller knows. A mail that may have been
    taken is sent again once only; whoever does not say what came before gets no second chance.
    """
    if outcome is Outcome.UNKNOWN:
        first_loss = before != Outcome.UNKNOWN if before else attempts <= 1
        return AFTER_A_LOSS if first_loss else None
    if outcome is Outcome.MAILBOX_FULL and attempts >= TRIES_AT_A_FULL_MAILBOX:
        return None
    delays = DELAYS.get(outcome)
    return delays[min(max(attempts, 1), len(delays)) - 1] if delays else None
