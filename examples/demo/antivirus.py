"""Runs clamd in the demo, out of its own folder, with a signature of our own: that of EICAR's test file."""

import os
import shutil
from pathlib import Path
from typing import Any, Final

from .children import Child, environment

NOT_INSTALLED: Final = (
    "clamd is not installed (apt-get install clamav-daemon): no file is searched for viruses."
)
# Harmless, and made to be found. Never in one piece, not even in compiled code: scanners would take
# the file away from whoever works on it.
EICAR: Final = b"".join(
    (rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE", b"!$H+H*")
)
SOCKET: Final = "clamd.socket"
CONFIGURATION: Final = "clamd.conf"
# Files as long as Synapse takes are looked at whole; what is beyond a limit counts as found, not as clean.
# Paths of sockets end at 107 bytes, and the demo's folder may be longer: everybody names it from where they run.
SETTINGS: Final = f"""Foreground yes
LocalSocket {SOCKET}
LocalSocketMode 600
DatabaseDirectory signatures
TemporaryDirectory .
StreamMaxLength 64M
MaxFileSize 64M
MaxScanSize 256M
AlertExceedsMax yes
"""


def program() -> str | None:
    """The path of clamd, None if it is not installed."""
    return shutil.which("clamd", path=f"{os.environ['PATH']}:/usr/sbin")


class Antivirus:
    """One clamd. Real signatures need freshclam and over 1 GB of memory; this one takes 20 MB."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True)
        (folder / "signatures").mkdir()
        signature = f"Eicar-Test-File:0:*:{EICAR.hex()}\n"  # in any kind of file, anywhere
        (folder / "signatures/eicar.ndb").write_text(signature, encoding="ascii")
        (folder / CONFIGURATION).write_text(SETTINGS, encoding="utf-8")
        # A copy: Debian's AppArmor profile of /usr/sbin/clamd forbids it to make a socket in this folder.
        self.argv = [str(shutil.copy(program, folder)), "-c", CONFIGURATION]

    def start(self) -> Child:
        """Start clamd."""
        (self.folder / SOCKET).unlink(missing_ok=True)
        return Child(
            "clamd",
            self.argv,
            log=self.folder / "output.log",
            env=environment(),
            cwd=self.folder,
        )

    def answers(self) -> bool:
        """Whether it has made its socket, which it does once it knows its signatures."""
        return (self.folder / SOCKET).is_socket()

    def module(self, homeserver_folder: Path) -> dict[str, Any]:
        """The entry of `modules` in the homeserver.yaml of a Synapse that runs in that folder."""
        socket = os.path.relpath(self.folder / SOCKET, homeserver_folder)
        return {
            "module": "examples.demo.clam_scan.ClamScan",
            "config": {"socket": socket, "timeout_seconds": 10},
        }
