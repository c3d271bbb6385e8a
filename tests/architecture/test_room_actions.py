"""Who signs what our module in a homeserver is asked: the worker, and the operator's own command; never the web."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EDGES = ("web/*.py", "*/pages.py", "*/api.py", "*/pages/*.py", "*/api/*.py")
OF_THE_WEB = sorted(path for edge in EDGES for path in (ROOT / "identity").glob(edge))


@pytest.mark.parametrize("path", OF_THE_WEB, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_view_asks_the_module(path):
    assert "room_actions_for" not in path.read_text(encoding="utf-8")


def test_the_worker_does():
    assert any(
        "room_actions_for" in path.read_text() for path in (ROOT / "identity").rglob("jobs/*.py")
    )
