"""Files with keys: made for their owner and group, and never written half or over one another."""

import fcntl
import grp
import json
import os
import pwd
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from identity.checked_values import fault_of_key
from identity.core.sealing import PrivateHalves, new_pair
from identity.setting_sources import UnreadableSecret, read_secret
from identity.settings import Settings, WrongSettings, new_secret
from identity.settings_findings import written_settings

from .key_sets import Keys, KeySet
from .process_keys import KEYS_FILE, read_private_halves

SECRET_KEYS, STORAGE_KEYS, HOMESERVER_KEYS = "secret_keys", "storage_keys", "homeserver_keys"
SHARED_MODE, WORKERS_MODE, OWN_MODE, FOLDER_MODE = 0o640, 0o400, 0o600, 0o750


class WrongOwner(WrongSettings):
    """A user or group that key files are to belong to does not exist, or cannot be given them."""


@dataclass(frozen=True)
class Owners:
    """To whom new key files belong, as numbers of the system."""

    group: int
    worker_user: int


@dataclass(frozen=True)
class KeyFile:
    """A key file after `init`, and whether it was made now."""

    path: Path
    is_new: bool


@dataclass(frozen=True)
class Place:
    """Where a list of keys is written.

    `path`: a file that holds the list and nothing else, or keys.json of the embedded database; None
    if the list stands among other settings, at `where`.
    """

    key_set: KeySet
    where: str
    path: Path | None
    in_json: str | None = None
    """The name of the list in a file of JSON."""

    @property
    def is_writable(self) -> bool:
        """Whether this user may replace the file."""
        return (
            self.path is not None
            and self.path.is_file()
            and os.access(self.path, os.W_OK)
            and os.access(self.path.parent, os.W_OK)
        )

    def read(self) -> Keys:
        """The keys in the file now. Raises WrongSettings if there are none."""
        texts = _texts(self._text(), self.in_json)
        if not texts:
            raise WrongSettings(f"{self.where}: there is no key")
        return Keys(self.key_set, texts)

    def write(self, keys: Keys) -> None:
        """Replace the file, with the same owner and mode. It is whole at every moment."""
        if self.path is None:
            raise ValueError("there is no file")
        text = ",".join(keys.texts) + "\n"
        if self.in_json is not None:
            text = json.dumps(json.loads(self._text()) | {self.in_json: keys.texts}, indent=1)
        found = self.path.stat()
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            _write(draft, text, stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid))
            draft.replace(self.path)
            _sync(self.path.parent)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one command at a time changes keys of this folder. Raises WrongSettings."""
        if self.path is None:
            yield
            return
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise WrongSettings(f"another command changes {self.path} just now") from None
        finally:
            os.close(folder)

    def _text(self) -> str:
        return read_secret(self.where, str(self.path))


def place_of(settings: Settings, key_set: KeySet) -> Place:
    """Where the list of keys in force is written."""
    # Of one origin, a value is stronger than the file of a value.
    written = written_settings()
    origins = list(dict.fromkeys(each.where for each in written))
    written.sort(key=lambda each: (origins.index(each.where), each.name.endswith("_FILE")))
    for given in written:
        if given.name == key_set.variable and given.value:
            return Place(key_set, f"{given.name} in {given.where}", None)
        if given.name == f"{key_set.variable}_FILE" and given.value:
            return Place(key_set, given.name, Path(given.value).absolute())
    path = settings.data_dir.absolute() / KEYS_FILE
    return Place(key_set, str(path), path, in_json=key_set.setting)


def find_owners(group: str, worker_user: str) -> Owners:
    """Raises WrongOwner, with what to do."""
    try:
        group_id = grp.getgrnam(group).gr_gid
    except KeyError:
        raise WrongOwner(
            f"there is no group {group}: groupadd --system {group}, or name yours with --group"
        ) from None
    try:
        return Owners(group_id, pwd.getpwnam(worker_user).pw_uid)
    except KeyError:
        raise WrongOwner(
            f"there is no user {worker_user}: useradd --system --gid={group} --no-create-home "
            f"{worker_user}, or name yours with --worker-user"
        ) from None


def init(folder: Path, owners: Owners | None, *, dry_run: bool = False) -> list[KeyFile]:
    """Make the key files that are missing; those that are there stay as they are.

    `owners`: None if everything belongs to who runs this. Killed in between, it is run again.
    Raises OSError, and WrongSettings if a file that is there holds no key.
    """
    if not dry_run:
        _make_folder(folder, owners)
    private, _ = new_pair()
    made = {
        SECRET_KEYS: new_secret(),
        STORAGE_KEYS: new_secret(),
        HOMESERVER_KEYS: private.get_secret_value(),
    }
    found = []
    for name, key in made.items():
        path = folder / name
        is_new = not os.path.lexists(path)  # a link that leads nowhere is there, too
        if is_new and not dry_run:
            is_new = _make(path, f"{key}\n", owners, for_worker=name == HOMESERVER_KEYS)
        elif not is_new:
            _check_there_is_a_key(path)
        found.append(KeyFile(path, is_new))
    return found


def _check_there_is_a_key(path: Path) -> None:
    try:
        keys = _texts(read_secret(path.name, str(path)), None)
    except UnreadableSecret as error:
        raise WrongSettings(
            f"{error}: {path} holds no key: remove it, and run this again"
        ) from None
    if not keys:
        raise WrongSettings(f"{path} holds no key: remove it, and run this again")


def faults_in(folder: Path) -> list[str]:
    """What is wrong with the folder, and with files in it that were there before: a sentence each."""
    found = []
    if stat.S_IMODE(folder.stat().st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        found.append(f"{folder}: others can put keys of their own there: chmod go-w {folder}")
    for name in (SECRET_KEYS, STORAGE_KEYS, HOMESERVER_KEYS):
        path = folder / name
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & stat.S_IRWXO:
            found.append(
                f"{path}: everybody here can read or write it ({mode:04o}): chmod o= {path}"
            )
        keys = _texts(read_secret(name, str(path)), None)
        if name != HOMESERVER_KEYS and (fault := fault_of_key(keys[-1])):
            found.append(f"{path}: its last key, which is in use, {fault}")
    return found


def public_half_in(path: Path) -> str:
    """The public half to the newest private half in a file. Raises WrongSettings."""
    return read_halves(path).newest.text


def read_halves(path: Path) -> PrivateHalves:
    """The private halves in a file. Raises WrongSettings."""
    return read_private_halves(_texts(read_secret("GUICHET_HOMESERVER_KEYS_FILE", str(path)), None))


def env_lines(folder: Path, public: str) -> Mapping[str, str]:
    """What guichet.env needs for the files of `init`."""
    return {
        "GUICHET_SECRET_KEYS_FILE": str(folder / SECRET_KEYS),
        "GUICHET_STORAGE_KEYS_FILE": str(folder / STORAGE_KEYS),
        "GUICHET_HOMESERVER_PUBLIC_KEY": public,
    }


def _make_folder(folder: Path, owners: Owners | None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    if owners is not None:
        os.chown(folder, -1, owners.group)
        folder.chmod(FOLDER_MODE)


def _make(path: Path, text: str, owners: Owners | None, *, for_worker: bool) -> bool:
    """Make the file with its content. False if another command was faster."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    if owners is None:
        mode, owner = OWN_MODE, (-1, -1)
    elif for_worker:
        mode, owner = WORKERS_MODE, (owners.worker_user, owners.group)
    else:
        mode, owner = SHARED_MODE, (-1, owners.group)
    try:
        _write(draft, text, mode, owner)
        # A hard link appears with its whole content, or not at all, and never over another file.
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)
    return True


def _write(path: Path, text: str, mode: int, owner: tuple[int, int]) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, OWN_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _texts(text: str, in_json: str | None) -> tuple[str, ...]:
    if in_json is None:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return tuple(json.loads(text)[in_json])
