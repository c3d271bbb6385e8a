"""The workers stand on the same ground as the service."""

from tests.identity.conftest import *  # noqa: F403  its fixtures
