"""The keys in the settings of a process: link keys, storage keys and the key pair of the worker.

With the embedded database, missing keys are made on the first start and stored in the data
directory.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from identity.core.private_files import private_file, private_folder
from identity.core.sealing import PrivateHalves, PublicHalf, new_pair
from identity.settings import Settings, WrongSettings, new_secret

KEYS_FILE = "keys.json"
PRIVATE_FILE = "homeserver_keys"  # for the worker alone
PUBLIC_FILE = "homeserver_public_key"


def shared_keys(settings: Settings) -> tuple[tuple[SecretStr, ...], tuple[SecretStr, ...]]:
    """The link keys and the storage keys, which web and worker share. Raises WrongSettings."""
    if settings.secret_keys and settings.storage_keys:
        return settings.secret_keys, settings.storage_keys
    if not settings.is_embedded:
        missing = "GUICHET_STORAGE_KEYS" if settings.secret_keys else "GUICHET_SECRET_KEYS"
        raise WrongSettings(
            f"{missing}: every node needs the same keys, for example {new_secret()} (newest last)"
        )
    made = {"secret_keys": [new_secret()], "storage_keys": [new_secret()]}
    stored: dict[str, list[str]] = json.loads(
        _read_or_make(settings.data_dir / KEYS_FILE, json.dumps(made, indent=1))
    )
    return (
        settings.secret_keys or tuple(SecretStr(key) for key in stored["secret_keys"]),
        settings.storage_keys or tuple(SecretStr(key) for key in stored["storage_keys"]),
    )


def public_half(settings: Settings) -> PublicHalf:
    """The public key that seals homeservers' secrets and typed passwords. Raises WrongSettings."""
    given = settings.homeserver_public_key
    if given is not None:
        return _read_public(given)
    if settings.homeserver_keys:
        return _read_private(settings.homeserver_keys).newest
    if settings.is_embedded:
        return _embedded_public(settings.data_dir)
    _, example = new_pair()
    raise WrongSettings(
        "GUICHET_HOMESERVER_PUBLIC_KEY: what only the worker opens is sealed to it, "
        f"for example {example.text} (guichet keys pair makes one)"
    )


def private_halves(settings: Settings) -> PrivateHalves:
    """The private keys that open them, for the worker. Raises WrongSettings."""
    given = settings.homeserver_keys
    if not given and settings.is_embedded:
        given = _embedded_private(settings.data_dir)
    if not given:
        example, _ = new_pair()
        raise WrongSettings(
            "GUICHET_HOMESERVER_KEYS: the worker opens homeservers' secrets with it, "
            f"for example {example.get_secret_value()} (guichet keys pair makes one; newest last)"
        )
    halves = _read_private(given)
    if public_half(settings).key_id not in {public.key_id for public in halves.publics}:
        raise WrongSettings(
            "GUICHET_HOMESERVER_PUBLIC_KEY: none of GUICHET_HOMESERVER_KEYS opens what is sealed to it; "
            f"the newest of them opens what is sealed to {halves.newest.text}"
        )
    return halves


def check_halves(settings: Settings) -> None:
    """Check that the given halves are valid and belong together; make none.

    Raises WrongSettings.
    """
    if settings.homeserver_keys:
        private_halves(settings)
    elif settings.homeserver_public_key:
        public_half(settings)


def has_private_halves(settings: Settings) -> bool:
    """Whether this process has the private halves: they are given, or in the data directory."""
    if settings.homeserver_keys:
        return True
    return settings.is_embedded and settings.homeserver_public_key is None


def refuse_private_halves(settings: Settings) -> None:
    """Raise WrongSettings if the web, which strangers can reach, was given the private halves."""
    if settings.homeserver_keys:
        raise WrongSettings(
            "GUICHET_HOMESERVER_KEYS: only the worker may have it; give the web "
            "GUICHET_HOMESERVER_PUBLIC_KEY instead, for example "
            f"{_read_private(settings.homeserver_keys).newest.text}"
        )


def read_private_halves(texts: Sequence[str]) -> PrivateHalves:
    """The private halves of a file. Raises WrongSettings if one is none."""
    return _read_private(tuple(map(SecretStr, texts)))


def _embedded_public(folder: Path) -> PublicHalf:
    try:
        return _read_public(SecretStr((folder / PUBLIC_FILE).read_text().strip()))
    except FileNotFoundError:
        public = _read_private(_embedded_private(folder)).newest
        return _read_public(
            SecretStr(_read_or_make(folder / PUBLIC_FILE, f"{public.text}\n").strip())
        )


def _embedded_private(folder: Path) -> tuple[SecretStr, ...]:
    private, _ = new_pair()
    text = _read_or_make(folder / PRIVATE_FILE, f"{private.get_secret_value()}\n")
    return tuple(SecretStr(part.strip()) for part in text.split(","))


def _read_public(given: SecretStr) -> PublicHalf:
    try:
        return PublicHalf(given.get_secret_value())
    except ValueError as error:
        raise WrongSettings(f"GUICHET_HOMESERVER_PUBLIC_KEY: {error}") from None


def _read_private(given: tuple[SecretStr, ...]) -> PrivateHalves:
    try:
        return PrivateHalves(given)
    except ValueError as error:
        raise WrongSettings(f"GUICHET_HOMESERVER_KEYS: {error}") from None


def _read_or_make(path: Path, text: str) -> str:
    """The text of the file, which is made if needed; if several processes do so, one wins."""
    if not path.exists():
        _make(path, text)
    private_file(path)  # an older version or a copy may have wider permissions
    return path.read_text()


def _make(path: Path, text: str) -> None:
    private_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    private_file(draft)
    draft.write_text(text)
    try:
        # A hard link appears with its whole content, or not at all.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
