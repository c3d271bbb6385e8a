"""The table of replies, row by row, and the times of the next try."""

from datetime import timedelta

import pytest

from identity.mail.outcomes import Outcome, classify, next_try

ROWS = {
    Outcome.RELAY_DOWN: [
        "421 try again later",
        "421 4.3.2 shutting down",
        "451 4.3.0 local error",
        "452 4.3.1 no room on the disk",
        "450 4.4.1 no answer from host",
        "535 5.7.8 authentication failed",
        "530 5.7.0 must issue a STARTTLS command first",
        "250 not an answer to that",
        "354 go on",
    ],
    Outcome.DEFER: ["450 4.7.1 greylisted", "451 4.7.1 come back", "450 4.2.0 greylisted"],
    Outcome.MAILBOX_FULL: ["452 4.2.2 over quota", "552 5.2.2 mailbox full", "550 5.2.2 full"],
    Outcome.THROTTLE: ["421 4.7.0 slow down", "454 4.7.28 too many"],
    Outcome.NO_MAILBOX: ["550 5.1.1 unknown", "550 5.1.10 not found", "550 5.1.6 moved"],
    Outcome.BAD_DOMAIN: ["550 5.1.2 no domain", "550 5.4.4 no host", "556 5.1.10 null MX"],
    Outcome.BLOCKED: ["550 5.7.1 spam", "554 5.7.26 DMARC", "554 5.7.0 policy"],
    Outcome.CONTENT: [
        "554 5.6.0 malformed",
        "552 5.3.4 too big",
        "553 smtputf8 needed",
        "550 5.6.7 no SMTPUTF8",
    ],
    Outcome.REFUSED: ["550 no", "554 5.3.0 no", "553 bad name", "550 5.2.1 disabled", "552 no"],
    Outcome.DEFERRED_OTHER: [
        "450 busy",
        "452 4.5.3 too many recipients",
        "450 4.1.2 no domain yet",
        "451 5.1.1 the status contradicts the code",
    ],
}


@pytest.mark.parametrize(
    ("outcome", "reply"), [(outcome, reply) for outcome in ROWS for reply in ROWS[outcome]]
)
def test_a_reply_has_one_class(outcome, reply):
    code, _, text = reply.partition(" ")
    assert classify(int(code), text) is outcome


def test_every_class_has_a_reply_but_the_one_without_any():
    assert set(Outcome) - set(ROWS) == {Outcome.UNKNOWN}


def test_a_number_that_only_begins_alike_is_another():
    assert classify(550, "5.1.11 something new") is Outcome.REFUSED
    assert classify(550, "5.1.1") is Outcome.NO_MAILBOX


def waits(outcome: Outcome, tries: int) -> list[float | None]:
    """Minutes after the first try, the second, …"""
    delays = [next_try(outcome, attempt) for attempt in range(1, tries + 1)]
    return [delay and delay / timedelta(minutes=1) for delay in delays]


def test_a_relay_that_is_down_is_asked_soon_and_for_as_long_as_it_takes():
    assert waits(Outcome.RELAY_DOWN, 6) == [5 / 60, 15 / 60, 1, 5, 5, 5]
    assert next_try(Outcome.RELAY_DOWN, 10_000) == timedelta(minutes=5)


def test_greylisting_is_sat_out():
    assert waits(Outcome.DEFER, 9) == [1, 5, 10, 20, 40, 60, 120, 120, 120]
    assert waits(Outcome.DEFERRED_OTHER, 9) == waits(Outcome.DEFER, 9)


def test_a_full_mailbox_is_tried_every_hour_of_a_day():
    assert waits(Outcome.MAILBOX_FULL, 25) == [60] * 23 + [None, None]


def test_what_may_have_arrived_is_sent_again_once():
    assert waits(Outcome.UNKNOWN, 3) == [10, None, None]
    ten = timedelta(minutes=10)
    assert next_try(Outcome.UNKNOWN, 4, before=Outcome.RELAY_DOWN) == ten
    assert next_try(Outcome.UNKNOWN, 2, before="unknown") is None


@pytest.mark.parametrize("outcome", ["no_mailbox", "bad_domain", "blocked", "content", "refused"])
def test_a_final_no_is_final(outcome):
    assert next_try(Outcome(outcome), 1) is None
