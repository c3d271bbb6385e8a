"""The module for homeservers: put `domain_rules.synapse_modules.Guichet` under `modules` in homeserver.yaml.

One class, made of parts that are switched one by one. Each registers its own callbacks with
Synapse; all decide from what `cache` holds in memory and answer by `refusals`.
"""

import importlib
import logging
from typing import Any

from . import other_modules
from .cache import Cache
from .clients import GuichetClient
from .configuration import Config, FaultyConfiguration
from .refusals import Refusals, Terms

# In this order: what refuses comes before what changes, so that nothing is changed and then refused; and what
# asks Guichet about an invitation comes after what decides here. By the key that switches it.
PARTS = (
    ("guest_rules", "guest_rules"),
    ("registration_gate", "registration_gate"),
    ("directory", "directory"),
    ("room_access_rules", "room_access"),
    ("guest_rules", "invitation_check"),
    ("binder", "reporter"),
    ("desk", "room_actions"),
)

logger = logging.getLogger(__name__)


class Guichet:
    """What Synapse makes one of, in each of its processes."""

    def __init__(self, config: Config, api: Any) -> None:
        from .sync import Sync  # noqa: PLC0415  # brings in Twisted, which only Synapse has

        self.config = config
        self.client = GuichetClient(config, api)
        self.cache = Cache(config, api)
        self.refusals = Refusals(
            Terms.of_synapse(),
            api.get_current_time_msec,
            mode=config.mode,
            language=config.language,
        )
        api.register_third_party_rules_callbacks(on_create_room=other_modules.on_create_room)
        self.feeds = Sync(config, api, self.cache, self.client, self.refusals)
        self.parts = {
            name: part(config, api, self.cache, self.refusals) for name, part in _parts_of(config)
        }
        self.feeds.start()
        logger.info("Guichet's module is on (%s): %s", config.mode, ", ".join(self.parts))

    @staticmethod
    def parse_config(raw: Any) -> Config:
        """Called by Synapse at start; a fault stops it with the name of the key."""
        try:
            return Config.parse(raw)
        except FaultyConfiguration as fault:
            from synapse.module_api.errors import ConfigError  # noqa: PLC0415  # only in Synapse

            raise ConfigError(str(fault), path=(fault.key,)) from fault


def _parts_of(config: Config) -> list[tuple[str, Any]]:
    return [
        (module, importlib.import_module(f"{__name__}.{module}").Part)
        for name, module in PARTS
        if getattr(config.parts, name)
    ]
