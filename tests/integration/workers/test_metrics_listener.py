"""A worker shows its metrics at a port of its own: to Prometheus, and to no web page, stranger or slow caller for long."""

import logging
import socket

import pytest
import requests

from identity.core import metrics
from identity.settings import Settings
from tests.services.waiting import LOOPBACK, free_port, wait_for
from workers import metrics_listener
from workers.metrics_listener import MetricsListener


@pytest.fixture
def listen():
    """Starts a listener with these settings; gives its URL once it answers."""
    started: list[MetricsListener] = []

    def listen(port: int = 0, **given) -> str:
        port = port or free_port()
        settings = Settings(_env_file=None, worker_metrics_listen=f"{LOOPBACK}:{port}", **given)
        started.append(MetricsListener(settings))
        started[-1].start()
        return f"http://{LOOPBACK}:{port}/metrics"

    yield listen
    for each in started:
        each.stop()


def answers(url: str, **headers: str) -> requests.Response | None:
    try:
        return requests.get(url, headers=headers, timeout=30)
    except requests.ConnectionError:
        return None


def up(url: str) -> requests.Response:
    # In a list: a refusal is false by itself.
    return wait_for(
        lambda: [each for each in [answers(url)] if each is not None], what=f"{url} answers"
    )[0]


def test_it_shows_what_the_worker_counted_and_nothing_of_the_database(listen):
    metrics.JOBS.inc(lane="urgent", kind="mail", outcome="done")
    answer = up(listen())
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'guichet_jobs_total{kind="mail",lane="urgent",outcome="done"}' in answer.text
    assert "guichet_database_up" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "192.0.2.1"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_web_pages_and_what_came_through_a_proxy_are_refused(listen, headers):
    url = listen()
    up(url)
    assert answers(url, **headers).status_code == 403


def test_strangers_are_refused(listen):
    assert up(listen(internal_networks="192.0.2.0/24")).status_code == 403


def test_nothing_else_is_there(listen):
    url = listen()
    up(url)
    assert requests.get(url.replace("/metrics", "/other"), timeout=30).status_code == 404
    assert requests.post(url, timeout=30).status_code == 501


def test_a_caller_that_says_nothing_holds_up_others_for_a_moment_only(listen, monkeypatch):
    monkeypatch.setattr(metrics_listener._Answer, "timeout", 0.2)
    url = listen()
    up(url)
    port = int(url.split(":")[2].split("/")[0])
    with (
        socket.create_connection((LOOPBACK, port), 30),
        socket.create_connection((LOOPBACK, port), 30),
    ):
        # We are cut off as well if we come to nothing for so long: asked again then.
        assert up(url).status_code == 200


def test_callers_that_send_byte_by_byte_hold_up_nobody_and_are_cut_off(listen, monkeypatch):
    monkeypatch.setattr(metrics_listener._Answer, "timeout", 2.0)
    url = listen()
    up(url)
    port = int(url.split(":")[2].split("/")[0])
    slow = [
        socket.create_connection((LOOPBACK, port), 30) for _ in range(metrics_listener.CALLERS // 2)
    ]
    for each in slow:
        each.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        each.setblocking(False)
    assert answers(url).status_code == 200
    wait_for(lambda: all(map(is_cut_off, slow)), what="each of them is cut off", pause=0.2)
    more = [
        socket.create_connection((LOOPBACK, port), 30) for _ in range(3 * metrics_listener.CALLERS)
    ]
    wait_for(lambda: answers(url), what="they are turned away, or cut off", pause=0.2)
    for each in slow + more:
        each.close()


def is_cut_off(caller: socket.socket) -> bool:
    """Sends one byte more; a caller that is cut off cannot, or reads the end."""
    try:
        caller.send(b"a")
        return caller.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_port_that_is_taken_stops_no_worker_and_is_taken_later(listen, monkeypatch, caplog):
    monkeypatch.setattr(metrics_listener, "AGAIN", 0.05)
    port = free_port()
    with socket.socket() as taken:
        taken.bind((LOOPBACK, port))
        taken.listen()
        url = listen(port)
        wait_for(lambda: "cannot listen on" in caplog.text, what="the log says so")
    assert up(url).status_code == 200
    told = [record for record in caplog.records if "cannot listen" in record.getMessage()]
    assert [record.levelno for record in told] == [logging.WARNING]


def test_an_empty_setting_switches_it_off():
    listener = MetricsListener(Settings(_env_file=None, worker_metrics_listen=""))
    listener.start()
    listener.stop()
    assert not listener._thread.is_alive()
