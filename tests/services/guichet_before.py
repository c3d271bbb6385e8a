"""Guichet as it was one version before: the wheel that was built of it, unpacked."""

import zipfile
from pathlib import Path

import pytest

WHEELS = Path(__file__).parents[1] / "synapse/before"


@pytest.fixture(scope="session")
def guichet_before(tmp_path_factory) -> Path:
    """A folder to import its module and its service from."""
    (wheel,) = WHEELS.glob("*.whl")
    folder = tmp_path_factory.mktemp("before")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    return folder
