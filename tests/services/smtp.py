"""An SMTP relay that keeps what it takes and answers as it is told."""

import asyncio
import contextlib
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from .certificates import Certificate
from .waiting import LOOPBACK, free_port, wait_for

QUEUED = "250 2.0.0 queued"


@dataclass(frozen=True)
class Delivery:
    """One mail as it came over the wire."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    options: tuple[str, ...]
    tls: bool

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)


class Relay:
    """Takes everything, until told otherwise by the attributes below."""

    def __init__(
        self,
        *,
        certificate: Certificate | None = None,
        implicit_tls: bool = False,
        smtputf8: bool = True,
    ):
        self.port = free_port()
        self.deliveries: list[Delivery] = []
        self.replies: dict[
            str, str
        ] = {}  # recipient → reply to its RCPT, for instance "550 5.1.1 unknown"
        self.reply_to_sender: str | None = None  # to MAIL FROM
        self.reply_to_data = QUEUED  # after the last dot; the mail is kept only if this is 250
        self.drops_after_data = False  # takes the mail, hangs up without a word
        self.delay_after_data = 0.0  # seconds before the reply
        self.delay_after_taking = 0.0  # the mail is kept, and its reply comes so late…
        self.quick_ones = 0  # …but for so many mails, the first
        self.certificate, self.implicit_tls, self.smtputf8 = certificate, implicit_tls, smtputf8
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        """As GUICHET_SMTP_URL wants it, without TLS."""
        return f"smtp://{LOOPBACK}:{self.port}?tls=none"

    @property
    def messages(self) -> list[EmailMessage]:
        return [delivery.message for delivery in self.deliveries]

    def to(self, address: str) -> list[EmailMessage]:
        """What this mailbox got."""
        return [delivery.message for delivery in self.deliveries if address in delivery.recipients]

    def wait_for_mail(self, address: str, *, number: int = 1, within: float = 90.0) -> EmailMessage:
        """The newest mail of a mailbox, once it has this many."""
        what = f"{number} mail(s) to {address}"
        return wait_for(lambda: self.to(address)[number - 1 :], what=what, within=within)[-1]

    def start(self) -> None:
        context = self._tls()
        # Not `self`: with each connection aiosmtpd reads every attribute of what it is given, and
        # `messages` parses all mails.
        handler = SimpleNamespace(
            handle_MAIL=self.handle_MAIL, handle_RCPT=self.handle_RCPT, handle_DATA=self.handle_DATA
        )
        self._controller = Controller(
            handler,
            hostname=LOOPBACK,
            port=self.port,
            enable_SMTPUTF8=self.smtputf8,
            ready_timeout=60,
            ssl_context=context if self.implicit_tls else None,
            tls_context=None if self.implicit_tls else context,
            require_starttls=bool(context) and not self.implicit_tls,
        )
        self._controller.start()

    def stop(self) -> None:
        """Nobody listens any more; `start` again takes the same port."""
        if self._controller:
            self._controller.stop()
            self._controller = None

    def _tls(self) -> ssl.SSLContext | None:
        if self.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate.certificate, self.certificate.key)
        return context

    async def handle_MAIL(  # noqa: N802  aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.reply_to_sender:
            return self.reply_to_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.replies.get(address, "250 2.1.5 ok")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.delay_after_data:
            await asyncio.sleep(self.delay_after_data)
        if self.reply_to_data.startswith("2"):
            self.deliveries.append(
                Delivery(
                    sender=envelope.mail_from or "",
                    recipients=tuple(envelope.rcpt_tos),
                    raw=envelope.original_content or b"",
                    options=tuple(envelope.mail_options),
                    tls=session.ssl is not None or self.implicit_tls,
                )
            )
        if self.delay_after_taking and len(self.deliveries) > self.quick_ones:
            await asyncio.sleep(self.delay_after_taking)
        if self.drops_after_data:
            server.transport.abort()
        return self.reply_to_data


@pytest.fixture
def smtp_server() -> Iterator[Relay]:
    relay = Relay()
    relay.start()
    yield relay
    relay.stop()


@pytest.fixture
def smtp_servers() -> Iterator[type[Relay]]:
    """Makes relays of other kinds, started: `smtp_servers(certificate=…, implicit_tls=True)`."""
    made: list[Relay] = []

    def start(**kind) -> Relay:
        relay = Relay(**kind)
        relay.start()
        made.append(relay)
        return relay

    yield start
    for relay in made:
        relay.stop()


@dataclass(frozen=True)
class SilentRelay:
    """Accepts connections (the kernel does) and never says a word."""

    port: int

    @property
    def url(self) -> str:
        return f"smtp://{LOOPBACK}:{self.port}?tls=none"


class HoldingRelay:
    """A relay that takes connections and never greets; it knows how many it had at once, at most."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0), backlog=100)
        self._held: list[socket.socket] = []
        self.most = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        port = self._listener.getsockname()[1]
        return f"smtp://{LOOPBACK}:{port}?tls=none"

    def close(self) -> None:
        self._listener.close()
        for each in self._held:
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                # A connection that its client has closed before this one is none any more.
                self._held = [each for each in self._held if _is_open(each)] + [connection]
                self.most = max(self.most, len(self._held))


def _is_open(connection: socket.socket) -> bool:
    """Whatever the client says is thrown away; at its end we close, too."""
    try:
        while connection.recv(1024):
            pass
    except BlockingIOError:
        return True
    except OSError:
        """It was cut off."""
    connection.close()
    return False


@pytest.fixture
def holding_smtp() -> Iterator[HoldingRelay]:
    relay = HoldingRelay()
    yield relay
    relay.close()


@pytest.fixture
def silent_smtp() -> Iterator[SilentRelay]:
    with socket.create_server((LOOPBACK, 0), backlog=100) as listener:
        yield SilentRelay(listener.getsockname()[1])
