"""A worker process is killed in the middle of a batch, on a real PostgreSQL: what it did is known."""

from collections import Counter

import pytest

from identity.core.outbox import Lane
from tests.services.children import Child
from tests.services.production import ask_database
from tests.services.waiting import wait_for

NUMBER = 10
HELD = 2.0  # seconds: the relay has taken a mail, and says so only then
IDS = "select cast(id as text) from mails"


@pytest.fixture
def ordered(federation, guichet_processes):
    """Mails that wait, in one lane."""
    order = ("-m", "tests.services.ordering", "ana@ac-rouen.example", "0", Lane.NORMAL, str(NUMBER))
    guichet_processes.run("python", *order, env=federation)


def copies(relay) -> Counter[str]:
    ids = [message["Message-ID"] for message in relay.messages]
    return Counter(each.strip("<").partition("@")[0] for each in ids)


def jobs(environment):
    """Attempts, uncertain ones, and whether it is done, of each job."""
    facts = "attempts, uncertain, done_at is not null"
    return ask_database(environment, f"select {facts} from outbox where errand = 'mail'")


def test_killed_in_a_batch_it_leaves_one_mail_uncertain(
    federation, guichet_processes, smtp_server, ordered
):
    smtp_server.quick_ones, smtp_server.delay_after_taking = 3, HELD
    worker: Child = guichet_processes.worker(federation, "--concurrency", "1")
    wait_for(lambda: len(smtp_server.deliveries) > 3, what="the fourth is under way", within=90)
    worker.kill()
    assert max(uncertain for _, uncertain, _ in jobs(federation)) == 1
    smtp_server.delay_after_taking = 0.0
    # As if a minute were over.
    past = "update outbox set due_at = created_at where done_at is null"
    ask_database(federation, past)
    guichet_processes.worker(federation, "--concurrency", "1")
    wait_for(
        lambda: all(is_done for _, _, is_done in jobs(federation)),
        what="all mails have left",
        within=90,
    )
    found = copies(smtp_server)
    assert found.keys() == {each for (each,) in ask_database(federation, IDS)}
    assert sum(found.values()) <= NUMBER + 1
    assert sum(uncertain for _, uncertain, _ in jobs(federation)) <= 1
