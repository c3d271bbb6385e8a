"""Files and folders that only the service's own user may read, whatever the umask is.

Wider permissions of existing ones are narrowed. What root makes in a folder of the service belongs
to the service: else a command run by sudo would lock it out.
"""

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = 0o700
FILE = 0o600
OTHERS = 0o077


def private_folder(path: Path) -> None:
    """Make the folder, or narrow the existing one. Raises OSError if it cannot be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=FOLDER)
    except FileExistsError:
        if not path.is_dir():
            raise
        _narrow(path, FOLDER)
    else:
        path.chmod(FOLDER)  # the umask may have taken our own rights too
        _give_to_owner_of_parent(path)


def private_file(path: Path) -> None:
    """Make an empty file, or narrow the existing one. Raises OSError if it cannot be made."""
    try:
        made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE)
    except FileExistsError:
        _narrow(path, FILE)
        return
    try:
        os.fchmod(made, FILE)
        _give_to_owner_of_parent(path)
    finally:
        os.close(made)


def narrow_if_there(path: Path) -> None:
    """Narrow the file if it exists."""
    with suppress(FileNotFoundError):
        _narrow(path, FILE)


def _give_to_owner_of_parent(path: Path) -> None:
    if os.geteuid() != 0:
        return
    owner = path.parent.stat()
    if owner.st_uid != 0 and not owner.st_mode & stat.S_ISVTX:  # /tmp is nobody's
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _narrow(path: Path, mode: int) -> None:
    found = path.stat()
    before = stat.S_IMODE(found.st_mode)
    is_plain = stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)
    if not before & OTHERS or not is_plain:  # devices and pipes are left as they are
        return
    if found.st_uid != os.geteuid() or _is_shared(path, before):
        log.warning(
            "%s can be read by others (%04o); its owner should: chmod %o", path, before, mode
        )
        return
    path.chmod(before & ~OTHERS)
    log.warning(
        "%s could be read by others (%04o): narrowed to %04o", path, before, before & ~OTHERS
    )


def _is_shared(path: Path, mode: int) -> bool:
    """Whether others use this folder too: /tmp, a home, the working directory or a parent of it."""
    here = Path.cwd()
    return bool(mode & stat.S_ISVTX) or path.resolve() in {here, *here.parents, Path.home()}
