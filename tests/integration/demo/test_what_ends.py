"""What ends early or cannot be reached is said at once; nobody waits for ever."""

import signal
from collections.abc import Iterator

import pytest
from aiohttp import ClientConnectionError
from click.testing import CliRunner

from examples.demo import __main__ as the_demo
from examples.demo.synapse import read_answer
from tests.services.devices import switched_on
from tests.services.waiting import free_port, free_ports

pytestmark = pytest.mark.slow


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    """The demo takes those that end it, and in its end ignores them."""
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def test_a_part_that_does_not_answer_ends_the_demo_with_one_line(
    tmp_path, monkeypatch, signals_as_before
):
    nobody = f"http://127.0.0.1:{free_port()}/health"
    monkeypatch.setattr(
        the_demo.Demo, "start", lambda _: read_answer(the_demo.requests.get(nobody, timeout=5))
    )
    asked = ["--folder", str(tmp_path / "demo"), "--port", str(free_ports(the_demo.PORTS))]
    done = CliRunner().invoke(the_demo.demo, asked)
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert [line[:6] for line in done.stderr.splitlines()] == ["demo: "]


def test_a_device_does_not_ask_for_ever_a_homeserver_that_is_away(tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    with switched_on(tmp_path) as devices, pytest.raises(ClientConnectionError):
        devices.sign_in(nobody, "@ana:localhost", "a password")
