"""An SMTP connection with a time limit that a server answering byte by byte cannot stretch."""

import smtplib
import socket
import ssl

from identity.core.deadlines import Deadline, Watchdog

from .relay_url import Relay, Tls

MAX_LINE = 8192
MAX_BYTES = 256 * 1024  # of all replies to one mail
CHUNK = 16 * 1024


class ReplyReader:
    """Reads reply lines, each within the time of a command and all within the deadline."""

    def __init__(self, talk: "SmtpSession") -> None:
        self._talk = talk
        self._buffer = b""
        self._received = 0

    def readline(self, _limit: int = -1) -> bytes:
        """The next line, or b"" when the server hung up. Raises OSError when it takes too long."""
        talk = self._talk
        command = Deadline(talk.step)
        while b"\n" not in self._buffer and len(self._buffer) < MAX_LINE:
            talk.sock.settimeout(talk.deadline.left(command.left(talk.step)))
            piece = talk.sock.recv(CHUNK)
            self._received += len(piece)
            if not piece:
                return b""
            if self._received > MAX_BYTES:
                raise OSError("the relay talks without end")
            self._buffer += piece
        talk.sock.settimeout(talk.deadline.left(talk.step))  # for a TLS handshake, if one follows
        line, end, self._buffer = self._buffer.partition(b"\n")
        return line + end

    def close(self) -> None:
        """Do nothing: the session closes the socket."""


class SmtpSession(smtplib.SMTP):
    """An SMTP connection bound by `deadline`, which its owner renews for every mail.

    `step`: seconds for the reply to one command. `watchdog` watches until the same deadline.
    """

    sock: socket.socket

    def __init__(
        self,
        relay: Relay,
        context: ssl.SSLContext,
        deadline: Deadline,
        watchdog: Watchdog,
        *,
        hello: str,
        connect: float,
        step: float,
    ) -> None:
        self.deadline, self.step, self.watchdog = deadline, step, watchdog
        self._relay, self._tls, self._connect_within = relay, context, connect
        # Without a name the library asks the DNS for our own.
        super().__init__(relay.host, relay.port, local_hostname=hello)

    def begin(self) -> None:
        """STARTTLS if wanted, EHLO and login: then mails can be handed over."""
        if self._relay.tls is Tls.STARTTLS:
            self.starttls(context=self._tls)
        self.ehlo_or_helo_if_needed()
        if self._relay.user:
            self.login(self._relay.user, self._relay.password)

    def renew(self, deadline: Deadline) -> None:
        """Another mail begins on this connection."""
        self.deadline = deadline
        self.watchdog.until(deadline)
        self.file = None if self.sock is None else ReplyReader(self)

    def close(self) -> None:
        super().close()
        self.watchdog.close()

    def getreply(self) -> tuple[int, bytes]:
        """As in the library, but with our own reader.

        After STARTTLS the library asks for a new one, so nothing received before TLS counts.
        """
        if self.file is None:
            self.file = ReplyReader(self)
        return super().getreply()

    def send(self, s: bytes | str) -> None:  # type: ignore[override]  # the library itself sends nothing else
        """Send in pieces, each within the deadline."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else s
        for start in range(0, len(data), CHUNK):
            if self.sock is not None:
                self.sock.settimeout(self.deadline.left(self.step))
            super().send(data[start : start + CHUNK])

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002  the library's own time-out
        plain = self.watchdog.connect(host, port, each=self._connect_within)
        if self._relay.tls is not Tls.TLS:
            return plain
        plain.settimeout(self.deadline.left(self.step))
        return self._tls.wrap_socket(plain, server_hostname=host)
