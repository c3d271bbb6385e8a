"""A small Debian under a folder: packages of this machine, copied with what dpkg knows of them.

It needs no mount, no network and no other mirror: a container that may change root can do it. In it
dpkg works as on a machine of its own. What a package depends on but does not say is missing there.
"""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # links into usr
UNREAD = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info")
MADE_BY_SCRIPTS = (
    "alternatives",
    "alternatives/*",
    "pam.d",
    "pam.d/common-*",
    "ssl/certs",
    "ssl/certs/*.crt",
)
FOLDERS = {
    "tmp": 0o1777,
    "dev/shm": 0o1777,
    "var/tmp": 0o1777,
    "run": 0o755,
    "proc": 0o555,
    "root": 0o700,
}
FIELDS = "${binary:Package}\t${Package}\t${Essential}\t${Pre-Depends}, ${Depends}\t${Provides}\n"


class DebianRoot:
    """A folder that holds the essential packages and those that are named, with what they need."""

    def __init__(self, folder: Path, *packages: str):
        self.folder = folder
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        chosen = _with_what_they_need(packages)
        self._copy_files(chosen)
        self._copy_database(chosen)
        for name in ("passwd", "group"):
            shutil.copyfile(f"/usr/share/base-passwd/{name}.master", folder / "etc" / name)
        for name, mode in FOLDERS.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name).chmod(mode)
        self._make_devices()
        # Nobody here asks the network who a user is.
        (folder / "etc/hosts").write_text("127.0.0.1 localhost\n")
        self.run("ldconfig")
        self.run("pwconv")

    def run(self, *command: str, check: bool = True, user: str = "") -> str:
        """A command with the folder as its root; gives all that it says."""
        who = ["setpriv", "--reuid", user, "--regid", "guichet", "--init-groups"] if user else []
        done = subprocess.run(
            ["chroot", str(self.folder), *who, *command],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
            | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"
        return done.stdout

    def dpkg(self, *words: str) -> str:
        return self.run("dpkg", "--force-unsafe-io", *words)

    def path(self, name: str) -> Path:
        """Where a path of the folder is on this machine."""
        return self.folder / name.lstrip("/")

    def owner_and_mode(self, name: str) -> str:
        """As `stat` says it, with the names of the folder's users: `root:guichet 0640`."""
        return self.run("stat", "--format=%U:%G 0%a", name).strip()

    def _copy_files(self, packages: list[str]) -> None:
        listed = [str(path) for name in MADE_BY_SCRIPTS for path in sorted(Path("/etc").glob(name))]
        merged = {f"/{name}" for name in MERGED if Path("/", name).is_symlink()}
        for name in merged:
            target = Path(name).readlink()
            (self.folder / target).mkdir(parents=True, exist_ok=True)
            self.path(name).symlink_to(target)
        for package in packages:
            names = _info(package, "list").read_text(encoding="utf-8").splitlines()
            listed += [name for name in names if name != "/." and not name.startswith(UNREAD)]
        # Some images leave files out, and dpkg diverts others.
        there = [name for name in dict.fromkeys(listed) if os.path.lexists(name)]
        there = [name for name in there if name not in merged]
        pack = ["tar", "--directory=/", "--create", "--no-recursion", "--null", "--files-from=-"]
        unpack = ["tar", f"--directory={self.folder}", "--extract", "--keep-directory-symlink"]
        with subprocess.Popen(pack, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            assert writer.stdin
            with subprocess.Popen(unpack, stdin=writer.stdout) as reader:
                writer.stdin.write("\0".join(f".{name}" for name in there).encode())
                writer.stdin.close()
        assert (writer.returncode, reader.returncode) == (0, 0)

    def _copy_database(self, packages: list[str]) -> None:
        database = self.folder / "var/lib/dpkg"
        for name in ("info", "updates", "triggers"):
            (database / name).mkdir(parents=True, exist_ok=True)
        for package in packages:
            listed = _info(package, "list")
            shutil.copyfile(listed, database / "info" / listed.name)
        status = subprocess.run(
            ["dpkg-query", "--status", *packages], capture_output=True, text=True, check=True
        ).stdout
        (database / "status").write_text(status, encoding="utf-8")
        (database / "info/format").write_text("1\n")
        for name in ("available", "diversions", "statoverride"):
            (database / name).touch()

    def _make_devices(self) -> None:
        (self.folder / "dev").mkdir(exist_ok=True)
        for name, (major, minor) in DEVICES.items():
            path = self.folder / "dev" / name
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
            path.chmod(0o666)


def _info(package: str, kind: str) -> Path:
    """A file of dpkg's: some are named for the architecture, too."""
    folder = Path("/var/lib/dpkg/info")
    named = sorted(folder.glob(f"{package}:*.{kind}"))
    return named[0] if named else folder / f"{package}.{kind}"


def _with_what_they_need(packages: tuple[str, ...]) -> list[str]:
    """Those, all essential ones, and all that these depend on, of what is installed here."""
    told = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={FIELDS}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    needs: dict[str, list[list[str]]] = {}
    provided: dict[str, list[str]] = {}
    wanted = list(packages)
    for line in told.splitlines():
        _full, name, essential, depends, provides = line.split("\t")
        needs.setdefault(name, []).extend(
            [re.split(r"[ :(]", one.strip())[0] for one in group.split("|")]
            for group in depends.split(",")
            if group.strip()
        )
        for virtual in filter(None, re.split(r"[^\w.+-]+\s*", provides)):
            provided.setdefault(virtual, []).append(name)
        if essential == "yes":
            wanted.append(name)
    chosen: dict[str, None] = {}
    while wanted:
        name = wanted.pop()
        if name in chosen:
            continue
        if name not in needs:
            wanted += provided.get(name, [])[:1]
            continue
        chosen[name] = None
        for group in needs[name]:
            wanted += [one for one in group if one in needs or one in provided][:1]
    return list(chosen)
