"""The broker of the embedded default under many hands: each message is taken once, and whole."""

import threading
from queue import Empty

import pytest
from kombu import Connection

from tests.worlds.worker import *
from workers import file_broker

WRITERS, MESSAGES = 3, 200


@pytest.fixture
def channel(tmp_path):
    """Makes channels as the processes of the service do, each with a connection of its own."""
    for name in ("messages", "control"):
        (tmp_path / name).mkdir()
    options = {
        "data_folder_in": str(tmp_path / "messages"),
        "data_folder_out": str(tmp_path / "messages"),
        "control_folder": str(tmp_path / "control"),
    }
    return lambda: Connection(file_broker.URL, transport_options=options).channel()


def together(*work):
    """Each in a thread of its own; what they raised."""
    failures = []

    def guarded(one):
        try:
            one()
        except Exception as error:  # noqa: BLE001  whatever it is, the test tells it
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=[one]) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_no_message_is_taken_while_it_is_written(channel):
    taken = []

    def write(writer):
        mine = channel()
        for number in range(MESSAGES):
            mine._put("urgent", {"id": [writer, number], "body": "x" * 5000})

    def take():
        mine = channel()
        while len(taken) < WRITERS * MESSAGES:
            try:
                taken.append(mine._get("urgent")["id"])
            except Empty:
                continue

    writers = [lambda writer=writer: write(writer) for writer in range(WRITERS)]
    assert together(*writers, take) == []
    assert sorted(taken) == [[w, n] for w in range(WRITERS) for n in range(MESSAGES)]


@pytest.mark.parametrize("attempt", range(20))
def test_queues_bound_at_once_are_all_known(channel, attempt):
    names = [f"lane{number}" for number in range(8)]
    mine = {name: channel() for name in names}
    start = threading.Barrier(len(names))

    def bind(name):
        start.wait()
        mine[name]._queue_bind("lanes", name, "", name)
        mine[name].get_table("lanes")

    assert together(*(lambda name=name: bind(name) for name in names)) == []
    assert sorted(entry.queue for entry in channel().get_table("lanes")) == names
