"""Reads the module's block of homeserver.yaml, once at start; a fault names its key."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from domain_rules.enums import StrEnum

POLL_SECONDS = 20
MIN_POLL, MAX_POLL = 1, 3600
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


class Mode(StrEnum):
    """Whether refusals are enforced, or only counted and logged."""

    ENFORCE = "enforce"
    LOG = "log"


class SoftFail(StrEnum):
    """What happens to events of other homeservers that the room's rule would not accept."""

    OFF = "off"
    LOG = "log"
    ON = "on"


class Language(StrEnum):
    """The language of `error`, which clients show; `org.guichet.message` has both."""

    FRENCH = "fr"
    ENGLISH = "en"


class ClassSource(StrEnum):
    """How the class of a homeserver's users is decided."""

    GUEST = "guest"
    AGENT = "agent"
    BY_PERSON = "by_person"


class FaultyConfiguration(ValueError):
    """A key is missing, unknown, or has an unusable value."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key


@dataclass(frozen=True)
class Parts:
    """Which parts of the module are on."""

    guest_rules: bool = True
    room_access_rules: bool = True
    registration_gate: bool = True
    binder: bool = True
    directory: bool = True
    desk: bool = True


@dataclass(frozen=True)
class Config:
    """The configuration.

    `class_source` applies only until Guichet has answered once; without it everybody is a guest
    until then.
    """

    guichet_url: str
    credential: str
    identity_servers: frozenset[str] = frozenset()
    ca_file: Path | None = None
    poll_seconds: int = POLL_SECONDS
    mode: Mode = Mode.ENFORCE
    exempt: frozenset[str] = frozenset()
    parts: Parts = Parts()
    soft_fail: SoftFail = SoftFail.LOG
    class_source: ClassSource | None = None
    language: Language = Language.FRENCH

    def __repr__(self) -> str:
        return f"Config({self.guichet_url}, {self.mode})"  # never the credential

    @classmethod
    def parse(cls, raw: object) -> "Config":
        """Read the value of `config`. Raises FaultyConfiguration."""
        block = _mapping("config", raw)
        _refuse_unknown(block, KEYS, "")
        return cls(
            guichet_url=_url(block),
            credential=_credential(block),
            identity_servers=_texts(block, "identity_server"),
            ca_file=_ca_file(block),
            poll_seconds=_seconds(block),
            mode=_word(block, "mode", Mode, Mode.ENFORCE),
            exempt=_user_ids(block),
            parts=_parts(block),
            soft_fail=_word(block, "soft_fail", SoftFail, SoftFail.LOG),
            class_source=_word(block, "class_source", ClassSource, None),
            language=_word(block, "language", Language, Language.FRENCH),
        )


KEYS = (
    *("guichet_url", "credential", "credential_file", "identity_server", "ca_file"),
    *("poll_seconds", "mode", "exempt", "parts", "soft_fail", "class_source", "language"),
)


def _mapping(key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FaultyConfiguration(key, "must be keys and values")
    return value


def _refuse_unknown(block: Mapping[str, Any], known: tuple[str, ...], under: str) -> None:
    for key in block:
        if key not in known:
            raise FaultyConfiguration(f"{under}{key}", f"unknown; known are {', '.join(known)}")


def _url(block: Mapping[str, Any]) -> str:
    url = _text(block, "guichet_url")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise FaultyConfiguration("guichet_url", "must look like https://guichet.example.org")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise FaultyConfiguration("guichet_url", "must be https, the credential travels with it")
    return url.rstrip("/")


def _credential(block: Mapping[str, Any]) -> str:
    if ("credential" in block) == ("credential_file" in block):
        raise FaultyConfiguration("credential", "give either credential or credential_file")
    if "credential" in block:
        return _text(block, "credential")
    path = Path(_text(block, "credential_file"))
    try:
        credential = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise FaultyConfiguration("credential_file", f"cannot be read ({fault})") from fault
    if not credential:
        raise FaultyConfiguration("credential_file", f"{path} is empty")
    return credential


def _ca_file(block: Mapping[str, Any]) -> Path | None:
    if block.get("ca_file") is None:
        return None
    path = Path(_text(block, "ca_file"))
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as fault:
        raise FaultyConfiguration("ca_file", f"{path} holds no certificates ({fault})") from fault
    return path


def _seconds(block: Mapping[str, Any]) -> int:
    seconds = block.get("poll_seconds", POLL_SECONDS)
    if type(seconds) is not int or not MIN_POLL <= seconds <= MAX_POLL:
        raise FaultyConfiguration(
            "poll_seconds", f"must be a whole number, {MIN_POLL} to {MAX_POLL}"
        )
    return seconds


def _parts(block: Mapping[str, Any]) -> Parts:
    given = _mapping("parts", block.get("parts") or {})
    _refuse_unknown(given, tuple(field.name for field in fields(Parts)), "parts.")
    for name, is_on in given.items():
        if not isinstance(is_on, bool):
            raise FaultyConfiguration(f"parts.{name}", "must be true or false")
    return Parts(**given)


def _user_ids(block: Mapping[str, Any]) -> frozenset[str]:
    user_ids = _texts(block, "exempt")
    for user_id in user_ids:
        if not user_id.startswith("@") or ":" not in user_id:
            raise FaultyConfiguration("exempt", f"{user_id} is no user ID like @name:server")
    return user_ids


def _texts(block: Mapping[str, Any], key: str) -> frozenset[str]:
    values = block.get(key) or []
    if not isinstance(values, list) or not all(_is_text(value) for value in values):
        raise FaultyConfiguration(key, "must be a list of texts")
    return frozenset(values)


def _text(block: Mapping[str, Any], key: str) -> str:
    value = block.get(key)
    if not _is_text(value):
        raise FaultyConfiguration(key, "is missing" if value is None else "must be a text")
    return str(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _word(block: Mapping[str, Any], key: str, kind: Any, otherwise: Any) -> Any:
    value = block.get(key)
    if value is False and kind is SoftFail:
        return SoftFail.OFF  # YAML reads a bare `off` as false, `on` as true
    if value is True and kind is SoftFail:
        return SoftFail.ON
    if value is None:
        return otherwise
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(word.value for word in kind)
        raise FaultyConfiguration(key, f"must be one of {known}") from None
