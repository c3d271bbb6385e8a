"""The command line of granian, the server of the public site and of the internal listener.

docs/decisions/0007 says why it is granian, and what these options are for.
"""

import socket
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Self

import click
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from identity.network_settings import SOCKET
from identity.settings import WrongSettings

HEADER_TIME = 10_000  # milliseconds until the headers of a request must have arrived
HEADER_BYTES = 65_536  # of one request
CONNECTIONS = 800  # of one process; below the usual limit of 1,024 open files
STOP_TIME = 25  # seconds to finish what was begun; TimeoutStopSec of the units is longer
RESPAWN_PAUSE = "0.5"  # seconds until a process that ended is replaced
SOCKET_MODE = "0660"  # read and write for the user and the group of the process


@dataclass(frozen=True)
class Tls:
    """The files of a certificate with its chain, and of its key, both PEM."""

    certificate: str
    key: str

    @classmethod
    def of_options(cls, certificate: str | None, key: str | None) -> Self | None:
        """Of --tls-certificate and --tls-key; None without them."""
        if bool(certificate) != bool(key):
            raise click.UsageError("--tls-certificate and --tls-key go together")
        return cls(certificate, key) if certificate and key else None


def granian(
    target: str,
    listen: str,
    *,
    workers: int = 1,
    tls: Tls | None = None,
    stop_time: int = STOP_TIME,
) -> list[str]:
    """The command that serves an ASGI application. Raises WrongSettings if it could not start.

    `target`: module and name, such as `asgi:app`. `listen`: `host:port` or `unix:/path`.
    `workers`: processes. `stop_time`: seconds.
    """
    return [
        *(sys.executable, "-m", "granian", target, "--interface", "asgi"),
        # Not "auto": there, a connection that says nothing is kept for ever.
        *("--http", "1", "--no-ws", *_where(listen), "--workers", str(workers)),
        *("--http1-header-read-timeout", str(HEADER_TIME)),
        *("--http1-buffer-size", str(HEADER_BYTES), "--backpressure", str(CONNECTIONS)),
        *("--workers-kill-timeout", str(stop_time)),
        *("--respawn-failed-workers", "--respawn-interval", RESPAWN_PAUSE),
        *("--log-level", "warning", "--log-config", str(files(__package__) / "web_log.json")),
        *(_tls_options(tls) if tls else ()),
    ]


def clear_socket(listen: str) -> None:
    """Remove the socket that an earlier process left behind: granian does not take its place."""
    if listen.startswith(SOCKET):
        Path(listen.removeprefix(SOCKET)).unlink(missing_ok=True)


def _where(listen: str) -> list[str]:
    if listen.startswith(SOCKET):
        return ["--uds", listen.removeprefix(SOCKET), "--uds-permissions", SOCKET_MODE]
    host, _, port = listen.rpartition(":")
    return ["--host", _address(host.strip("[]"), listen), "--port", port]


def _address(host: str, listen: str) -> str:
    """The IP address of a host: granian takes no names. Empty means all addresses (IPv4)."""
    try:
        found = socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise WrongSettings(f"cannot listen on {listen} ({error.strerror})") from None
    return str(found[0][4][0])


def _tls_options(tls: Tls) -> list[str]:
    try:
        load_pem_private_key(Path(tls.key).read_bytes(), password=None)
    except (OSError, TypeError, ValueError) as error:
        raise WrongSettings(
            f"--tls-key {tls.key}: no PEM key without a password ({error})"
        ) from None
    return [
        *("--ssl-certificate", tls.certificate, "--ssl-keyfile", tls.key),
        *("--ssl-protocol-min", "tls1.2"),
    ]
