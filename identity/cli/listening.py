"""Where `guichet serve` listens: an address and a port, or a Unix socket."""

import socket
from pathlib import Path

from identity.settings import SOCKET, Settings, WrongSettings, is_loopback

SOCKET_UMASK = "0117"  # read and write for the user and the group of the process: 0660


def check_free(bind: str, remedy: str = "choose another --port") -> None:
    """Raises WrongSettings if something listens there: better said once than by each process."""
    try:
        if bind.startswith(SOCKET):
            _check_socket(Path(bind.removeprefix(SOCKET)))
        else:
            _check_port(bind)
    except OSError as error:
        raise WrongSettings(f"cannot listen on {bind} ({error.strerror}): {remedy}") from None


def check_exposure(settings: Settings, host: str) -> None:
    """Raises WrongSettings where others could reach a service whose mails stay in a folder."""
    if settings.smtp_url is None and not is_loopback(host):
        raise WrongSettings(
            f"--host {host!r} is reached by other machines, but without GUICHET_SMTP_URL no mail leaves this one. "
            "Set GUICHET_SMTP_URL, for example smtp://relay.example.org:587?tls=starttls, or listen on 127.0.0.1"
        )


def socket_options(bind: str) -> list[str]:
    """What gunicorn needs to know beside the address."""
    return ["--umask", SOCKET_UMASK] if bind.startswith(SOCKET) else []


def _check_port(bind: str) -> None:
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host.strip("[]"), int(port)))


def _check_socket(path: Path) -> None:
    """A socket that nobody listens on any more is left over: gunicorn takes its place."""
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
