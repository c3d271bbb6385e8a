"""The keys of this process: given by the settings, or made on the first start of the embedded default."""

import json
import os
from pathlib import Path

from pydantic import SecretStr

from identity.core.private_files import private_file, private_folder
from identity.core.sealing import PrivateHalves, PublicHalf, new_pair
from identity.settings import Settings, WrongSettings, new_secret

KEYS_FILE = "keys.json"
PRIVATE_FILE = "homeserver_keys"  # for the worker alone
PUBLIC_FILE = "homeserver_public_key"


def shared(settings: Settings) -> tuple[tuple[SecretStr, ...], tuple[SecretStr, ...]]:
    """Secret keys and storage keys, which web and worker have. Raises WrongSettings if some are missing."""
    if settings.secret_keys and settings.storage_keys:
        return settings.secret_keys, settings.storage_keys
    if not settings.is_embedded:
        missing = "GUICHET_STORAGE_KEYS" if settings.secret_keys else "GUICHET_SECRET_KEYS"
        raise WrongSettings(
            f"{missing}: every node needs the same keys, for example {new_secret()} (newest last)"
        )
    made = {"secret_keys": [new_secret()], "storage_keys": [new_secret()]}
    kept: dict[str, list[str]] = json.loads(
        _kept(settings.data_dir / KEYS_FILE, json.dumps(made, indent=1))
    )
    return (
        settings.secret_keys or tuple(SecretStr(key) for key in kept["secret_keys"]),
        settings.storage_keys or tuple(SecretStr(key) for key in kept["storage_keys"]),
    )


def public_half(settings: Settings) -> PublicHalf:
    """What homeservers' secrets and typed passwords are sealed to. Raises WrongSettings."""
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
    """What opens them, for the worker. Raises WrongSettings."""
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
    """Whether the halves that were given can be used, and belong together. Raises WrongSettings; makes none."""
    if settings.homeserver_keys:
        private_halves(settings)
    elif settings.homeserver_public_key:
        public_half(settings)


def at_hand(settings: Settings) -> bool:
    """Whether this process could have the private halves: a command on the worker's machine, or at home."""
    if settings.homeserver_keys:
        return True
    return settings.is_embedded and settings.homeserver_public_key is None


def refuse_private_halves(settings: Settings) -> None:
    """For the web, which strangers reach. Raises WrongSettings if it was given what only the worker may have."""
    if settings.homeserver_keys:
        raise WrongSettings(
            "GUICHET_HOMESERVER_KEYS: only the worker may have it; give the web "
            "GUICHET_HOMESERVER_PUBLIC_KEY instead, for example "
            f"{_read_private(settings.homeserver_keys).newest.text}"
        )


def _embedded_public(folder: Path) -> PublicHalf:
    try:
        return _read_public(SecretStr((folder / PUBLIC_FILE).read_text().strip()))
    except FileNotFoundError:
        public = _read_private(_embedded_private(folder)).newest
        return _read_public(SecretStr(_kept(folder / PUBLIC_FILE, f"{public.text}\n").strip()))


def _embedded_private(folder: Path) -> tuple[SecretStr, ...]:
    private, _ = new_pair()
    kept = _kept(folder / PRIVATE_FILE, f"{private.get_secret_value()}\n")
    return tuple(SecretStr(part.strip()) for part in kept.split(","))


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


def _kept(path: Path, made: str) -> str:
    """What stands in the file; of several first starts one writes it."""
    if not path.exists():
        _make(path, made)
    private_file(path)  # of an older version, or copied there
    return path.read_text()


def _make(path: Path, made: str) -> None:
    private_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    private_file(draft)
    draft.write_text(made)
    try:
        # A hard link appears whole or not at all.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
