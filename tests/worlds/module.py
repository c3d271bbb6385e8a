"""What the tests of the module inside Synapse share."""

import pytest

from .rooms_house import House


@pytest.fixture
def house() -> House:
    """A Synapse of rooms alone."""
    return House()
