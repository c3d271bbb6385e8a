"""Guichet as it was one version before: its wheel, with which it runs in this environment."""

import zipfile
from pathlib import Path

import pytest

WHEELS = Path(__file__).parent / "before"


@pytest.fixture(scope="session")
def guichet_before(tmp_path_factory) -> Path:
    """A folder to import its module and its service from."""
    folder = tmp_path_factory.mktemp("before")
    for wheel in WHEELS.glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder)
    assert (folder / "identity").is_dir()
    return folder
