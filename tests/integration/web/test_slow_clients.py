"""Clients that send a byte a second hold up nobody, and every listener closes their connections."""

import time
from collections.abc import Iterator

import pytest

from tests.services.waiting import wait_for
from tests.worlds.slow_clients import *

pytestmark = [pytest.mark.faults, pytest.mark.processes, pytest.mark.slow]

CLIENTS = 200  # for each listener
WITHIN = 90.0  # seconds; headers have 10, bodies 20


@pytest.fixture
def clients(listeners) -> Iterator[dict[str, list[SlowClient]]]:
    """By listener."""
    kinds = ("header", "body", "header", "body", "silent")
    opened = {
        name: [SlowClient(listener, kinds[number % 5]) for number in range(CLIENTS)]
        for name, listener in listeners.items()
    }
    yield opened
    for each in opened.values():
        for client in each:
            client.close()


def test_200_slow_clients_on_every_listener_hold_up_nobody(listeners, clients, record_fault):
    def all_are_closed() -> bool:
        for name, listener in listeners.items():
            assert listener.ask() == b"200", name
            for client in clients[name]:
                client.go_on()
        return all(client.is_closed for each in clients.values() for client in each)

    wait_for(all_are_closed, what="every slow client is closed", within=WITHIN, pause=1.0)
    for name, listener in listeners.items():
        answers = {
            kind: [client.answer for client in clients[name] if client.kind == kind]
            for kind in ("header", "body", "silent")
        }
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers["body"]), name
        assert not any(answers["header"] + answers["silent"]), name
        assert len(listener.took) > 5  # they were there while others asked
        record_fault(
            f"clients: {CLIENTS} slow ones, {name}", tried=CLIENTS, survived=CLIENTS,
            seconds=max(listener.took), said="408 to slow bodies, others closed",
        )  # fmt: skip


@pytest.mark.parametrize("name", ["web", "web, Unix socket", "serve, TLS"])
def test_a_request_in_flight_is_answered_before_the_process_stops(listeners, name, record_fault):
    begun = time.monotonic()
    answer, ended = listeners[name].stop_with_a_request_in_flight()
    assert answer["errcode"].startswith("M_")
    assert ended == 0
    record_fault(
        f"processes: stopped with a request in flight, {name}", tried=1, survived=1,
        seconds=time.monotonic() - begun, said="answered, then ended with 0",
    )  # fmt: skip
