"""Checks of the addresses and Unix sockets that Guichet listens on."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from identity.core.findings import Finding, State
from identity.network_settings import SOCKET
from identity.networks import read_host_name
from identity.settings import Settings, WrongSettings, is_loopback

from .web_server import SOCKET_MODE


def check_free(bind: str, remedy: str = "choose another --port") -> None:
    """Raise WrongSettings if something listens there already, before any process is started."""
    try:
        if bind.startswith(SOCKET):
            _check_socket(Path(bind.removeprefix(SOCKET)))
        else:
            _check_port(bind)
    except OSError as error:
        raise WrongSettings(f"cannot listen on {bind} ({error.strerror}): {remedy}") from None


def check_exposure(settings: Settings, host: str) -> None:
    """Raise WrongSettings if other machines could reach a service without a mail relay."""
    if settings.smtp_url is None and not is_loopback(host):
        raise WrongSettings(
            f"--host {host!r} is reached by other machines, but without GUICHET_SMTP_URL no mail leaves this one. "
            "Set GUICHET_SMTP_URL, for example smtp://relay.example.org:587?tls=starttls, or listen on 127.0.0.1"
        )


def check_listeners(settings: Settings) -> Iterator[Finding]:
    """Check the internal listener for `guichet doctor`."""
    listen, what = settings.internal_listen, "internal listener"
    if listen.startswith(SOCKET):
        yield _look_at_socket(Path(listen.removeprefix(SOCKET)), what)
        return
    has_everybody = any(network.prefixlen == 0 for network in settings.internal_networks)
    if listen and has_everybody and not is_loopback(read_host_name(listen)):
        fix = "name the networks of your homeservers in GUICHET_INTERNAL_NETWORKS"
        yield Finding(what, State.FAILED, "it answers everybody without a credential", fix)


def _look_at_socket(path: Path, what: str) -> Finding:
    if not path.is_socket():
        fix = "does guichet serve run, or guichet-internal.service with the same socket?"
        return Finding(what, State.ATTENTION, f"there is no socket at {path}", fix)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IRWXO:
        fix = f"chmod {SOCKET_MODE} {path}, or let guichet web --internal make it"
        return Finding(what, State.FAILED, f"everybody here may connect to it ({mode:04o})", fix)
    return Finding(what, State.OK, f"a Unix socket ({mode:04o})")


def accepts(bind: str) -> bool:
    """Whether somebody takes connections there: `host:port`, `unix:/path`; True if it is empty."""
    if not bind:
        return True
    try:
        if bind.startswith(SOCKET):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(bind.removeprefix(SOCKET))
        else:
            host, _, port = bind.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _check_port(bind: str) -> None:
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host.strip("[]"), int(port)))


def _check_socket(path: Path) -> None:
    """Raise OSError unless the path is free or has an unused socket, which is replaced."""
    if not path.parent.is_dir():
        raise NotADirectoryError(0, f"{path.parent} is no folder")
    if not path.exists():
        return
    if not path.is_socket():
        raise FileExistsError(0, "the file there is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
    raise OSError(0, "somebody listens there")
