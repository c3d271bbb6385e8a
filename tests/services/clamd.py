"""A real clamd with the signature of `make demo`, which tests kill and freeze; and files that it finds, or does not."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

from examples.demo import antivirus
from examples.demo.antivirus import EICAR, Antivirus

from .children import Child, MissingService, Server


class Clamd(Server):
    """It runs below `folder`, and listens at `address`."""

    def __init__(self, folder: Path) -> None:
        program = antivirus.program()
        if program is None:
            raise MissingService(antivirus.NOT_INSTALLED)
        self._demo = Antivirus(program, folder / "clamd")
        self.folder = self._demo.folder
        self.address = self.folder / antivirus.SOCKET

    def start(self) -> None:
        self.address.unlink(missing_ok=True)
        self.child = Child(
            self._demo.argv,
            log=self.folder / "output.log",
            env={"LANG": "C.UTF-8"},
            cwd=self.folder,
        )
        self.child.wait_until(self._demo.answers, what="clamd has its socket")


def picture(width: int = 640, height: int = 480) -> bytes:
    """A PNG, black all over."""
    header = struct.pack("!2I5B", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/report.txt", data)
    return file.getvalue()


# With the kinds as clients name them: what a file is, clamd sees for itself.
INFECTED = {
    "a text": ("text/plain", EICAR),
    "an archive": ("application/zip", zipped(EICAR)),
    "a picture": ("image/png", picture() + EICAR),
    "a text that is called a picture": ("image/png", EICAR),
}
CLEAN = {
    "a text": ("text/plain", b"Bonjour"),
    "an empty file": ("text/plain", b""),
    "an archive": ("application/zip", zipped(b"Bonjour")),
    "a picture": ("image/png", picture()),
}
