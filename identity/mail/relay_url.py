"""Reads GUICHET_SMTP_URL, the address of the relay and its options.

For example: smtp://user:password@host:587?tls=starttls&ca_file=…&timeout=30
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from identity.settings import Settings, WrongSettings, is_loopback

KNOWN = {"tls", "ca_file", "timeout"}
MAX_TIMEOUT = 45.0  # the lease on a job must outlive the attempt


class Tls(StrEnum):
    """How the connection to the relay is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


PORTS = {Tls.NONE: 25, Tls.STARTTLS: 587, Tls.TLS: 465}


@dataclass(frozen=True, kw_only=True)
class Relay:
    """The relay and how to connect.

    `timeout`: seconds for one mail, from connecting to the last reply.
    """

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout: float = 30.0


def read_relay_url(url: str) -> Relay:
    """Read the URL. Raises WrongSettings, never with the password in it.

    Without the option, `tls` is `tls` for smtps:// or port 465, `none` for a host that is this
    machine, and else `starttls`. The default port is 465, 25 or 587 accordingly. With `ca_file`,
    only that authority is trusted.
    """
    parts = urlsplit(url)
    try:
        port, host = parts.port, parts.hostname or ""
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
        timeout = float(options.get("timeout", Relay.timeout))
    except ValueError:
        raise wrong_smtp_url("the port or an option cannot be read") from None
    if parts.scheme not in {"smtp", "smtps"} or not host:
        raise wrong_smtp_url(
            "must look like smtp://user:password@relay.example.org:587?tls=starttls"
        )
    if unknown := options.keys() - KNOWN:
        raise wrong_smtp_url(f"unknown option {', '.join(sorted(unknown))}")
    if not 1 <= timeout <= MAX_TIMEOUT:
        raise wrong_smtp_url(f"timeout must be between 1 and {MAX_TIMEOUT:.0f} seconds")
    tls = _tls(parts.scheme, host, port, options.get("tls"))
    if parts.username and tls is Tls.NONE and not is_loopback(host):
        raise wrong_smtp_url("a password is not sent without TLS; use tls=starttls or tls=tls")
    return Relay(
        host=host,
        port=port or PORTS[tls],
        tls=tls,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        ca_file=Path(options["ca_file"]) if options.get("ca_file") else None,
        timeout=timeout,
    )


def check_relay(settings: Settings) -> None:
    """Check the URL, and that its `ca_file` can be read. Raises WrongSettings."""
    if settings.smtp_url is None:
        return
    ca_file = read_relay_url(settings.smtp_url.get_secret_value()).ca_file
    if ca_file is None:
        return
    try:
        ca_file.read_bytes()
    except OSError as error:
        raise wrong_smtp_url(f"ca_file {ca_file} cannot be read: {error.strerror}") from None


def wrong_smtp_url(fault: str) -> WrongSettings:
    """The error for a faulty URL."""
    return WrongSettings(f"GUICHET_SMTP_URL: {fault}")


def _tls(scheme: str, host: str, port: int | None, said: str | None) -> Tls:
    if scheme == "smtps":
        if said not in {None, Tls.TLS}:
            raise wrong_smtp_url("smtps:// is tls=tls")
        return Tls.TLS
    if said is not None:
        try:
            return Tls(said)
        except ValueError:
            raise wrong_smtp_url("tls must be none, starttls or tls") from None
    if port == PORTS[Tls.TLS]:
        return Tls.TLS
    return Tls.NONE if is_loopback(host) else Tls.STARTTLS
