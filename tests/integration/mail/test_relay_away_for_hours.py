"""The relay is away for hours while 50,000 mails wait: nothing is lost, and a code leaves soon after it is back."""

import time

import pytest
import requests

from identity.core.outbox import Lane
from tests.services.person import Person
from tests.services.production import ask_database
from tests.services.waiting import wait_for

pytestmark = [pytest.mark.faults, pytest.mark.long]

QUEUED, HOURS = 50_000, 5
LEFT = 200  # so many of them are seen to leave
CAMILLE = "camille.durand@ac-rouen.example"
# Like the one that was ordered, of other people, hours ago.
CLONES = (
    f"""insert into verification_requests select (jsonb_populate_record(one, jsonb_build_object(
        'id', gen_random_uuid(), 'address', n || '.' || address, 'browser', md5(n::text)
    ))).* from verification_requests as one, generate_series(2, {QUEUED}) as n""",
    f"""insert into mails select (jsonb_populate_record(one, jsonb_build_object(
        'id', gen_random_uuid(), 'address', asked.address, 'mailbox', asked.address,
        'subject_id', asked.id, 'created_at', now() - interval '{HOURS} hours',
        'due_at', now() - interval '{HOURS} hours'
    ))).* from mails as one, verification_requests as asked where asked.id <> one.subject_id""",
    """insert into outbox select (jsonb_populate_record(one, jsonb_build_object(
        'id', gen_random_uuid(), 'subject_id', mails.id, 'created_at', mails.due_at,
        'due_at', mails.due_at
    ))).* from outbox as one, mails where mails.id <> one.subject_id""",
    "analyze",
)


def count(environment, condition: str) -> int:
    query = f"select count(*) from outbox where lane = '{Lane.NORMAL}' and {condition}"
    return ask_database(environment, query)[0][0]


def test_50_000_mails_wait_and_a_code_passes_them(
    federation, guichet_processes, smtp_server, record_fault
):
    ordering = ("python", "-m", "tests.services.ordering", "person@ac-rouen.example", "0")
    guichet_processes.run(*ordering, Lane.NORMAL, "1", env=federation)
    for statement in CLONES:
        ask_database(federation, statement)
    assert count(federation, "true") == QUEUED
    smtp_server.stop()
    web = guichet_processes.web(federation)
    worker = guichet_processes.worker(federation)
    guichet_processes.beat(federation)
    Person(web.url).ask(CAMILLE)
    down = "last_error like 'relay_down%'"
    wait_for(lambda: count(federation, down) > 2, what="some are tried", within=300)
    tried = count(federation, "attempts > 0")
    assert tried < QUEUED / 100, "each look at the relay costs one mail, not all of them"
    degraded = requests.get(f"{web.url}/readyz", timeout=60).json()["degraded"]

    smtp_server.start()
    began = time.monotonic()
    smtp_server.wait_for_mail(CAMILLE, within=600)  # it waits for its next try: 5 minutes at most
    seconds = time.monotonic() - began
    before, began = len(smtp_server.deliveries), time.monotonic()
    left = before + LEFT
    wait_for(lambda: len(smtp_server.deliveries) > left, what="the others leave", within=900)
    rate = LEFT / (time.monotonic() - began)
    worker.stop()
    done, waiting = count(federation, "done_at is not null"), count(federation, "done_at is null")
    assert done + waiting == QUEUED
    assert count(federation, "gave_up_at is not null") == 0
    ids = [
        delivery.raw.partition(b"Message-ID: ")[2].split()[0] for delivery in smtp_server.deliveries
    ]
    assert len(ids) == len(set(ids)) >= done
    record_fault(
        f"relay: away for {HOURS} hours with {QUEUED:,} mails queued",
        tried=QUEUED,
        survived=done + waiting,
        seconds=seconds,
        said=f"/readyz: {', '.join(degraded)}; seconds until a code left, {rate:.0f} others a second",
    )
