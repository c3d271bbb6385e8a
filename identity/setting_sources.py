"""Where settings come from: the environment, the file of production, `.env`, files of secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from .env_files import read_env_file

PREFIX = "GUICHET_"
MAX_SECRET = 1 << 16  # bytes of a file with a secret


class UnreadableSecret(Exception):
    """The file of a secret cannot be read. The message names the variable, never the secret."""


@dataclass(frozen=True)
class Given:
    """A setting as it was written: `where` is "the environment" or the path of a file."""

    name: str  # in capitals, GUICHET_…
    value: str
    where: str


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is a secret, which may also be given as a file."""
    return "SecretStr" in repr(field.annotation) or "SecretStr" in repr(field.metadata)


class EnvFile(PydanticBaseSettingsSource):
    """Reads the file of production. Raises WrongEnvFile."""

    def __init__(self, settings_cls: type[BaseSettings], path: Path):
        super().__init__(settings_cls)
        self.env_vars: dict[str, str] = {
            name.lower(): value for name, value in read_env_file(path).items()
        }

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  the signature is the library's
        return self.env_vars.get(f"{PREFIX}{field_name}".lower()), field_name, False

    def __call__(self) -> dict[str, Any]:
        return _found(self)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads GUICHET_<NAME>_FILE: the value is in a file, as container platforms provide secrets."""

    def __init__(self, settings_cls: type[BaseSettings], around: PydanticBaseSettingsSource):
        super().__init__(settings_cls)
        self.variables: Mapping[str, str | None] = dict(getattr(around, "env_vars", {}))

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        path = self.variables.get(f"{PREFIX}{field_name}_file".lower())
        if path and is_secret(field):
            return read_secret(f"{PREFIX}{field_name}_FILE".upper(), path), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return _found(self)


def read_secret(variable: str, path: str) -> str:
    """The secret in a file, without blanks and line ends around it. Raises UnreadableSecret."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_SECRET + 1)
    except PermissionError:
        fix = "run it as root, or as the user or a member of the group it belongs to"
        raise UnreadableSecret(f"{variable}: {path} may not be read by you: {fix}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise UnreadableSecret(f"{variable}: {path} cannot be read: {why}") from None
    if len(raw) > MAX_SECRET:
        raise UnreadableSecret(f"{variable}: {path} is larger than 64 KiB: it holds no secret")
    try:
        secret = raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UnreadableSecret(f"{variable}: {path} is not UTF-8: it holds no secret") from None
    if not secret:  # else the setting would count as not given, and SQLite be taken, for instance
        raise UnreadableSecret(f"{variable}: {path} is empty: put the secret there, or take it out")
    return secret


def _found(source: PydanticBaseSettingsSource) -> dict[str, Any]:
    found = {}
    for name, field in source.settings_cls.model_fields.items():
        value, key, _ = source.get_field_value(field, name)
        if value is not None:
            found[key] = value
    return found
