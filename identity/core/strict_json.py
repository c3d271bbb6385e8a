"""Reads JSON objects from strangers, and refuses what is malformed, too deep or not JSON."""

import json
import math
import re
from typing import Any, NoReturn

SURROGATE = re.compile("[\ud800-\udfff]")
MAX_DEPTH = 50  # nested objects and lists: Matrix needs a handful, Python can take about 1,000


def read_object(raw: bytes) -> dict[str, Any]:
    """The object. Raises ValueError: not UTF-8, not JSON, no object, too deep, NaN or infinity."""
    try:
        found = json.loads(raw.decode(), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004  as wrong as text that is no JSON
    # Few brackets cannot nest deep: then the values need not be gone through.
    if raw.count(b"{") + raw.count(b"[") >= MAX_DEPTH and _is_deep(found):
        raise ValueError("too deep")
    return found


def is_text(value: str) -> bool:
    """Whether a string can be stored and sent on: no NUL and no lone surrogates."""
    return "\0" not in value and (value.isascii() or SURROGATE.search(value) is None)


def _is_deep(found: object) -> bool:
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("too large a number")
    return number
