"""The settings in force as people may read them: secrets masked, each with where it comes from."""

from typing import Any, Final

from pydantic import SecretStr

from .env_files import WrongEnvFile
from .setting_sources import PREFIX
from .settings import Settings
from .settings_findings import written_settings

MASK: Final = "********"
DEFAULT: Final = "default"
UNKNOWN: Final = ""


def describe_all(settings: Settings) -> list[dict[str, Any]]:
    """Each setting: {"name": GUICHET_…, "value": text, list of texts or None, "from": text}.

    `from`: "the environment", the path of a file, "default", or "" if that is not known, as where
    the file cannot be read (any more). A secret that stands in a file of its own is from where that
    file is named.
    """
    places = _places()
    return [
        {
            "name": variable,
            "value": masked(getattr(settings, name)),
            "from": places.get(variable)
            or places.get(f"{variable}_FILE")
            or (UNKNOWN if name in settings.model_fields_set else DEFAULT),
        }
        for name in Settings.model_fields
        for variable in [f"{PREFIX}{name}".upper()]
    ]


def masked(value: Any) -> Any:
    """The value as text, a list of texts, or None; `********` in place of a secret."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return [masked(each) for each in value]
    return value if value is None else str(value)


def _places() -> dict[str, str]:
    """Where each variable is written; the stronger place, if it is written twice."""
    try:
        return {each.name: each.where for each in reversed(written_settings()) if each.value}
    except WrongEnvFile:
        return {}
