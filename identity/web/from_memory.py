"""Views that mostly answer from the memory of their process, so that they need no thread."""

from collections.abc import Callable
from typing import TypeVar

from flask import Flask

V = TypeVar("V", bound=Callable[..., object])
MARK = "answers_from_memory"


def answers_from_memory(view: V) -> V:
    """Mark a view that reads only, and waits seldom: see core/waiting.py for when it does."""
    setattr(view, MARK, True)
    return view


def paths(app: Flask) -> frozenset[bytes]:
    """The paths of such views, as requests write them."""
    return frozenset(
        rule.rule.encode()
        for rule in app.url_map.iter_rules()
        if not rule.arguments and hasattr(app.view_functions[rule.endpoint], MARK)
    )
