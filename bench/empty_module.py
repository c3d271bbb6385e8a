"""A module for Synapse that allows every event, to measure what calling a module costs."""

from typing import Any


class Empty:
    """Loaded by a Synapse of the benchmark, for comparison with ours."""

    def __init__(self, _config: Any, api: Any) -> None:
        api.register_third_party_rules_callbacks(check_event_allowed=self.check_event_allowed)

    async def check_event_allowed(self, _event: Any, _state: Any) -> tuple[bool, None]:
        return True, None
