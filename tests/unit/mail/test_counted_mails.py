"""Each try at a mail is counted and leaves one line, by template, outcome and class of provider; never the address."""

import logging

import pytest

from identity.core import metrics, tracing
from identity.core.outbox import Lane
from identity.mail.outcomes import NotSent, Outcome
from identity.sign_up import service as sign_up
from tests.unit.core.test_metrics import recorded
from tests.worlds.services import *
from workers import tasks

VERIFY = {"template": "verify"}


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.fixture
def counted():
    """How much the counters have grown since the test began."""
    before = {}

    def counted(family, **labels):
        key = (family.name, *labels.items())
        return recorded(family, **labels) - before.get(key, 0)

    for outcome in ("handed", "relay_down", "no_mailbox", "dropped"):
        labels = {**VERIFY, "outcome": outcome, "provider": "federation"}
        before[(metrics.MAILS.name, *labels.items())] = recorded(metrics.MAILS, **labels)
    for outcome in ("done", "postponed", "given_up", "failed"):
        labels = {"lane": "urgent", "kind": "mail", "outcome": outcome}
        before[(metrics.JOBS.name, *labels.items())] = recorded(metrics.JOBS, **labels)
    return counted


def lines(caplog) -> list[logging.LogRecord]:
    return [record for record in caplog.records if hasattr(record, "outcome")]


def mails(counted, outcome: str) -> float:
    return counted(metrics.MAILS, **VERIFY, outcome=outcome, provider="federation")


def jobs(counted, outcome: str) -> float:
    return counted(metrics.JOBS, lane="urgent", kind="mail", outcome=outcome)


def late(bound: str) -> float:
    """How many codes took no longer than this."""
    return sum(
        sample.value
        for metric in metrics.CODE_SECONDS.collect()
        for sample in metric.samples
        if sample.labels == {"template": "verify", "le": bound}
    )


def test_a_mail_that_left_is_counted_with_its_time(services, request_, clock, counted, caplog):
    caplog.set_level(logging.INFO)
    quick, slow = late("2.0"), late("8.0")
    clock.advance(seconds=5)
    tasks.run_lane(services, Lane.URGENT)
    assert (mails(counted, "handed"), jobs(counted, "done")) == (1, 1)
    assert (late("2.0"), late("8.0")) == (quick, slow + 1)
    [line] = lines(caplog)
    assert (line.kind, line.lane, line.attempt, line.outcome) == ("mail", "urgent", 1, "done")
    assert (line.template, line.provider) == ("verify", "federation")
    assert line.address == services.mark_of(request_.address)
    assert "camille" not in caplog.text


def test_a_relay_that_is_down_is_counted_at_each_try(
    services, request_, clock, postbox, counted, caplog
):
    postbox.failure = NotSent(Outcome.RELAY_DOWN, "no answer")
    for _ in range(2):
        tasks.run_lane(services, Lane.URGENT)
        clock.advance(minutes=30)
    assert (mails(counted, "relay_down"), jobs(counted, "postponed")) == (2, 2)
    assert [line.outcome for line in lines(caplog) if line.levelno >= logging.WARNING] == []


def test_a_mailbox_that_does_not_exist_is_given_up_once(
    services, request_, postbox, counted, caplog
):
    postbox.failure = NotSent(Outcome.NO_MAILBOX, "550 5.1.1")
    tasks.run_lane(services, Lane.URGENT)
    assert (mails(counted, "no_mailbox"), jobs(counted, "given_up")) == (1, 1)
    [line] = lines(caplog)
    assert line.levelno == logging.WARNING


def test_a_fault_of_ours_is_counted_as_failed(services, request_, postbox, counted, caplog):
    postbox.failure = ZeroDivisionError()
    tasks.run_lane(services, Lane.URGENT)
    assert jobs(counted, "failed") == 1
    assert "ZeroDivisionError" in caplog.text


def test_the_line_of_a_job_has_the_id_of_the_request_that_ordered_it(services, camille, clock):
    with tracing.job(None):
        tracing.begin_request("0123456789abcdef")
        with services.database.transaction() as session:
            sign_up.start(
                session,
                services.rules.current(),
                clock(),
                address=camille,
                browser="Ana's",
                language="fr",
            )
    seen = []

    class Watch(logging.Handler):
        def emit(self, record):
            if hasattr(record, "outcome"):
                seen.append(tracing.trace_id())

    watch = Watch()
    logging.getLogger("workers.tasks").addHandler(watch)
    logging.getLogger("workers.tasks").setLevel(logging.INFO)
    try:
        tasks.run_lane(services, Lane.URGENT)
    finally:
        logging.getLogger("workers.tasks").removeHandler(watch)
        logging.getLogger("workers.tasks").setLevel(logging.NOTSET)
    assert seen == ["0123456789abcdef"]


def test_steps_of_a_sign_up_are_counted_once(services, camille, clock):
    before = recorded(metrics.SIGN_UPS, step="started")
    for _ in range(2):  # the same form twice
        with services.database.transaction() as session:
            sign_up.start(
                session,
                services.rules.current(),
                clock(),
                address=camille,
                browser="Ana's",
                language="fr",
            )
    assert recorded(metrics.SIGN_UPS, step="started") == before + 1
