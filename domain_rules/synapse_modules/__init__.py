"""The module that runs inside Synapse: `domain_rules.synapse_modules.Guichet` in homeserver.yaml.

It consists of parts that are switched on and off one by one. Each registers its own callbacks with
Synapse; all decide by what `cache` holds in memory, and refuse by `refusals`. The README beside
this file tells more.
"""

import importlib
import logging
from typing import Any

from . import event_checks, other_modules
from .cache import Cache
from .clients import GuichetClient
from .configuration import Config, FaultyConfiguration
from .part import Context
from .refusals import Refusals, SynapseTypes
from .sync import Sync

# Key in the configuration, module, class. The order matters: parts that refuse come before those
# that change a request, and the part that asks Guichet comes after those that decide here.
PARTS = (
    ("guest_rules", "guest_rules", "GuestRules"),
    ("registration_gate", "registration_gate", "RegistrationGate"),
    ("directory", "directory", "Directory"),
    ("room_access_rules", "room_access", "RoomAccess"),
    ("guest_rules", "invitation_check", "InvitationCheck"),
    ("binder", "reporter", "Reporter"),
    ("desk", "room_actions", "RoomActions"),
)

logger = logging.getLogger(__name__)


class Guichet:
    """The module class. Synapse creates one instance in each of its processes."""

    def __init__(self, config: Config, api: Any) -> None:
        refusals = Refusals(
            SynapseTypes.of_synapse(),
            api.get_current_time_msec,
            mode=config.mode,
            language=config.language,
        )
        context = Context(config, api, Cache(config, api), refusals, GuichetClient(config, api))
        api.register_third_party_rules_callbacks(on_create_room=other_modules.on_create_room)
        sync = Sync(context)
        parts = {name: part(context) for name, part in _parts_of(config)}
        event_checks.spare(
            api, [part.is_judged for part in parts.values() if hasattr(part, "is_judged")]
        )
        sync.start()
        logger.info("Guichet's module is on (%s): %s", config.mode, ", ".join(parts))

    @staticmethod
    def parse_config(raw: Any) -> Config:
        """Called by Synapse at start. Raises ConfigError, which stops Synapse and names the key."""
        try:
            return Config.parse(raw)
        except FaultyConfiguration as fault:
            from synapse.module_api.errors import ConfigError  # noqa: PLC0415  # only in Synapse

            raise ConfigError(str(fault), path=(fault.key,)) from fault


def _parts_of(config: Config) -> list[tuple[str, Any]]:
    return [
        (module, getattr(importlib.import_module(f"{__name__}.{module}"), class_name))
        for key, module, class_name in PARTS
        if getattr(config.parts, key)
    ]
