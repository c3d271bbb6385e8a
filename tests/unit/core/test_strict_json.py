"""How deep an object from strangers may be, however it is told."""

import json

import pytest

from identity.core.strict_json import MAX_DEPTH, read_object


def nested(depth, *, wide):
    """An object of so many containers, one in the other, and perhaps of many beside each other."""
    inner = "a leaf"
    for number in range(depth - 1):
        inner = [inner] if number % 2 else {"inner": inner}
    return json.dumps({"inner": inner, "beside": [[] for _ in range(wide)]}).encode()


@pytest.mark.parametrize("wide", [0, 2 * MAX_DEPTH])
def test_an_object_is_as_deep_as_its_deepest_value(wide):
    assert "inner" in read_object(nested(MAX_DEPTH - 1, wide=wide))
    for depth in (MAX_DEPTH, MAX_DEPTH + 1, 100_000):
        with pytest.raises(ValueError, match="too deep"):
            read_object(nested_text(depth) if depth > 1_000 else nested(depth, wide=wide))


def nested_text(depth):
    return b'{"inner": ' + b"[" * depth + b"]" * depth + b"}"
