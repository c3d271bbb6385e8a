"""A module for Synapse: media in which clamd finds something are not taken, nor those it has not seen.

    modules:
      - module: examples.demo.clam_scan.ClamScan
        config:
          socket: /run/clamav/clamd.ctl
          timeout_seconds: 30

It sees what Synapse gets: of an encrypted file that is noise. See docs/antivirus.md.
"""

import logging
import time
from typing import Any, Final

from synapse.media._base import FileInfo
from synapse.media.media_storage import ReadableFileWrapper
from synapse.module_api import NOT_SPAM, ModuleApi
from synapse.module_api.errors import Codes, ConfigError, SynapseError
from twisted.internet import reactor
from twisted.python.threadpool import ThreadPool

from .clamd_client import NotScanned, scan

logger = logging.getLogger(__name__)

THREADS: Final = 8
REASON: Final = "org.guichet.reason"
INFECTED: Final = "This file is not accepted: the antivirus found something harmful in it."
UNSEEN: Final = (
    "Files cannot be checked for viruses at the moment, so none is accepted. Try again later."
)


class ClamScan:
    """Synapse calls it for uploads, files of other homeservers, thumbnails and previews of links."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._api = api
        self._socket, self._timeout = config["socket"], float(config["timeout_seconds"])
        # Threads of its own: while clamd hangs, those in which Synapse writes files and checks
        # passwords stay free.
        self._threads = ThreadPool(minthreads=0, maxthreads=THREADS, name="clamd")
        self._threads.start()
        reactor.addSystemEventTrigger("during", "shutdown", self._threads.stop)
        api.register_spam_checker_callbacks(check_media_file_for_spam=self.check)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> dict[str, Any]:
        """Add the time for one file, in seconds. Raises ConfigError without a socket."""
        if not config.get("socket"):
            raise ConfigError("ClamScan needs the path of clamd's socket", ["socket"])
        return {"timeout_seconds": 30} | config

    async def check(self, file: ReadableFileWrapper, info: FileInfo) -> Any:
        """NOT_SPAM for a clean file.

        Raises SynapseError, which the client gets: whatever is returned instead, Synapse says only
        "Bad content".
        """
        # It begins to count here, so that a file that waits for a thread waits no longer than others.
        ends_at = time.monotonic() + self._timeout
        try:
            found = await self._api.defer_to_threadpool(
                self._threads, scan, self._socket, file.path, ends_at=ends_at
            )
        except NotScanned as error:
            logger.error("Refused %s: %s", _kind(info), error)  # noqa: TRY400  the message is all there is to say
            raise SynapseError(503, UNSEEN, Codes.UNKNOWN, {REASON: "file_not_scanned"}) from error
        if found is not None:
            logger.warning("Refused %s: clamd found %s", _kind(info), found)
            raise SynapseError(403, INFECTED, Codes.FORBIDDEN, {REASON: "file_infected"})
        return NOT_SPAM


def _kind(info: FileInfo) -> str:
    """What kind of file it is; nothing of whose."""
    if info.thumbnail:
        return "a thumbnail"
    if info.url_cache:
        return "a preview of a link"
    return "a file of another homeserver" if info.server_name else "an upload"
