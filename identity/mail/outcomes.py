"""Classifies a mail server's reply, masks it, and says when to try again."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Final

from identity.core import retries


class Outcome(StrEnum):
    """Why a mail was not handed over."""

    RELAY_DOWN = "relay_down"  # not about this mail: the relay is unusable now
    DEFER = "defer"  # greylisting: try the same again later
    MAILBOX_FULL = "mailbox_full"
    THROTTLE = "throttle"  # too many at once for the receiving domain
    NO_MAILBOX = "no_mailbox"
    BAD_DOMAIN = "bad_domain"
    BLOCKED = "blocked"  # our mails are filtered; the address itself is fine
    CONTENT = "content"  # the mail itself cannot be sent: our fault
    UNKNOWN = "unknown"  # connection lost after the last dot: it may have been accepted
    REFUSED = "refused"  # any other permanent refusal
    DEFERRED_OTHER = "deferred_other"  # any other temporary refusal


class NotSent(Exception):
    """The mail was not handed over.

    `reply` may be shown to operators: it holds no address, code or link.
    """

    def __init__(self, outcome: Outcome, reply: str) -> None:
        super().__init__(f"{outcome}: {reply}")
        self.outcome = outcome
        self.reply = reply


# What is masked in a reply.
MAX_CHARACTERS = 300
NO_BREAK = re.compile(r"[\x00-\x20\x7f\u0080-\u009f]+")
ADDRESS = re.compile(r"[^\s<>()\[\]:,;\"']+@[^\s<>()\[\]:,;\"']+")
CODE = re.compile(r"(?<!\w)(?<!\d\.)\d{3}[ \u00a0]?\d{3}(?!\w|\.\d)")
LINK_TOKEN = re.compile(r"(/[a-z]/)[\w.-]{16,}")

ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
NEEDS_LOGIN: Final = {530, 534, 535, 538}
NO_MAILBOX: Final = {"1.1", "1.6", "1.10"}
BAD_DOMAIN: Final = {"1.2", "4.4"}


def classify(code: int, text: str) -> Outcome:
    """The class of a refusal.

    `code`: of the reply; `text` may begin with an enhanced status (RFC 3463).
    """
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
            return Outcome.RELAY_DOWN  # not an answer to our command


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
        return Outcome.RELAY_DOWN  # our account at the relay, so every mail would fail
    if code == 556 or status in BAD_DOMAIN:  # noqa: PLR2004  a domain without mail: RFC 7504
        return Outcome.BAD_DOMAIN
    if status in NO_MAILBOX:
        return Outcome.NO_MAILBOX
    if subject == "7":
        return Outcome.BLOCKED
    if subject == "6" or status == "3.4" or (code == 553 and "SMTPUTF8" in text.upper()):  # noqa: PLR2004
        return Outcome.CONTENT
    return Outcome.REFUSED


def mask_reply(code: int, text: str, *, to: str) -> str:
    """A reply as it may be stored and read by operators: one line without address, code or link.

    `to`: the mail's recipient, whose local part is masked too.
    """
    said = NO_BREAK.sub(" ", text).strip()
    said = LINK_TOKEN.sub(r"\1…", said)
    said = ADDRESS.sub("…@…", said)
    local = to.rpartition("@")[0]
    # Many servers name the mailbox, without the tag behind a plus.
    for name in filter(None, (local, local.partition("+")[0])):
        said = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", said, flags=re.IGNORECASE)
    said = CODE.sub("…", said)
    said = said if len(said) <= MAX_CHARACTERS else f"{said[:MAX_CHARACTERS]}…"
    return f"{code} {said}".strip() if code > 0 else said


RETRIES: Final = {
    Outcome.RELAY_DOWN: retries.RELAY_AWAY,
    Outcome.DEFER: retries.MAIL_DEFERRED,
    Outcome.DEFERRED_OTHER: retries.MAIL_DEFERRED,
    Outcome.THROTTLE: retries.MAIL_DEFERRED,
    Outcome.MAILBOX_FULL: retries.MAILBOX_FULL,
}
AFTER_A_LOSS: Final = timedelta(minutes=10)


def next_try(outcome: Outcome, attempts: int, *, before: str | None = None) -> timedelta | None:
    """How long to wait after the `attempts`-th try ended so; None: stop.

    Giving up by age is left to the caller. `before`: the outcome of the previous try, if the caller
    knows it. A mail that may have been accepted is sent again once only, and not at all if the
    previous outcome is unknown.
    """
    if outcome is Outcome.UNKNOWN:
        first_loss = before != Outcome.UNKNOWN if before else attempts <= 1
        return AFTER_A_LOSS if first_loss else None
    table = RETRIES.get(outcome)
    if table is None or (table.max_tries is not None and attempts >= table.max_tries):
        return None
    return table.pause_after(attempts)
