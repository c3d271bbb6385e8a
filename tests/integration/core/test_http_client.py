"""How long a talk with a homeserver may last."""

import pytest

from identity.core import http_client
from identity.core.http_client import Away, JsonClient

SECONDS = 10.0


@pytest.fixture
def passes(monkeypatch):
    """`passes(8)`: so many seconds go by."""
    now = [0.0]
    monkeypatch.setattr(http_client.time, "monotonic", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    return passes


def test_several_calls_share_one_deadline(told_homeserver, passes):
    with JsonClient(told_homeserver.url, seconds=SECONDS) as talk:
        assert talk.call("GET", "/first").status == 200
        passes(8)
        assert talk.call("GET", "/second").status == 200
        passes(8)
        with pytest.raises(Away):
            talk.call("GET", "/third")


def test_questions_that_do_not_hang_together_have_one_each(told_homeserver, passes):
    with JsonClient(told_homeserver.url, seconds=SECONDS, one_deadline=False) as talk:
        for path in ("/first", "/second", "/third"):
            assert talk.call("GET", path).status == 200
            passes(8)
