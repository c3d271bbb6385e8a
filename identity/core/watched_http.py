"""HTTP connections that a `Watchdog` shuts down at the deadline, for `requests`."""

import socket
import ssl
from dataclasses import dataclass
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from .deadlines import Watchdog


@dataclass
class Line:
    """What the connections of one client share.

    `connect_seconds`: for each address of a host. `has_sent`: whether a byte of the present request
    left, after the connection and TLS stood; its owner resets it.
    """

    watchdog: Watchdog
    connect_seconds: float
    has_sent: bool = False


class WatchedAdapter(HTTPAdapter):
    """Mounted on a session of `requests`.

    `ca_pem`: trust the federation's own certificate authority and no other.
    """

    def __init__(self, line: Line, *, ca_pem: str | None = None) -> None:
        self._line = line
        self._context: ssl.SSLContext | None = None
        if ca_pem:
            self._context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
            self._context.check_hostname = True
            self._context.load_verify_locations(cadata=ca_pem)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": partial(_Pool, line=self._line),
            "https": partial(_TlsPool, line=self._line),
        }


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, line: Line, **kwargs: Any) -> None:
        self._line = line
        super().__init__(*args, **kwargs)

    def _new_conn(self) -> socket.socket:
        """As the library does it, with a time limit for all addresses and their look-up."""
        host, port = self._dns_host, self.port
        try:
            made = self._line.watchdog.connect(host, port, each=self._line.connect_seconds)
            for option in self.socket_options or ():
                made.setsockopt(*option)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, "no connection") from error
        return made

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self._line.watchdog.has_cut:  # TLS does not even begin on a socket that was shut down
            raise TimeoutError("the deadline passed before the request was sent")
        self._line.has_sent = True
        super().send(data)


class _TlsConnection(_Connection, HTTPSConnection):
    """The same, with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def __init__(self, *args: Any, line: Line, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn_kw["line"] = line


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection

    def __init__(self, *args: Any, line: Line, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn_kw["line"] = line
