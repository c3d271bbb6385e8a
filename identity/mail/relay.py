"""Hands mails to the relay by SMTP, each to one recipient, and reports the outcome."""

import re
import smtplib
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage

from identity.core.deadlines import Deadline, Watchdog

from .checks import encode_checked
from .message import own_id
from .outcomes import NotSent, Outcome, classify, mask_reply
from .relay_url import Relay
from .smtp_session import SmtpSession

LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
GO_AHEAD = 354
GOING_AWAY = 421
QUIT_TIMEOUT = 2.0  # seconds


class _LostBeforeData(NotSent):
    """The connection ended before the whole mail was sent.

    If it had been held open from an earlier mail, a fresh one is tried at once.
    """


@dataclass(frozen=True)
class _Mail:
    """One mail, ready for the wire. `content` is encoded and terminated as DATA wants it."""

    content: bytes
    envelope_from: str
    to: str
    own_id: str


class SmtpMailer:
    """Holds its connection open for the next mail until `close`; every thread has its own."""

    def __init__(
        self,
        relay: Relay,
        *,
        hello: str = "localhost",
        connect_timeout: float = 5.0,
        command_timeout: float = 10.0,
    ) -> None:
        self._relay, self._hello = relay, hello
        self._connect, self._step = connect_timeout, command_timeout
        self._context = ssl.create_default_context(cafile=relay.ca_file)
        self._own = threading.local()

    def send(self, message: EmailMessage, *, envelope_from: str, to: str) -> str:
        """Hand the mail over; returns the relay's last reply. Raises NotSent."""
        content = _with_end(encode_checked(message, envelope_from=envelope_from, to=to))
        mail = _Mail(content, envelope_from, to, own_id(message))
        try:
            return self._send(mail, Deadline(self._relay.timeout))
        finally:
            if self._session is not None:
                self._session.watchdog.stop()  # it is held open

    def _send(self, mail: _Mail, deadline: Deadline) -> str:
        session = self._session
        if session is not None:
            try:
                session.renew(deadline)
                self._begin_again(session)
                return self._hand_over(session, mail)
            except _LostBeforeData:
                self._drop()
        return self._hand_over(self._open(deadline), mail)

    def probe(self) -> None:
        """Connect, with TLS and login as the settings say, and close. Raises NotSent."""
        self._drop()
        self._open(Deadline(self._relay.timeout))
        self.close()

    def close(self) -> None:
        """Close this thread's connection, with QUIT if the server listens."""
        if self._session is not None:
            self._session.renew(Deadline(QUIT_TIMEOUT))
            with suppress(OSError):
                self._session.quit()
        self._drop()

    @property
    def _session(self) -> SmtpSession | None:
        return getattr(self._own, "talk", None)

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
        self._own.talk = None

    def _open(self, deadline: Deadline) -> SmtpSession:
        talk, watchdog = None, Watchdog()
        try:
            talk = SmtpSession(
                self._relay,
                self._context,
                deadline,
                watchdog.until(deadline),
                hello=self._hello,
                connect=self._connect,
                step=self._step,
            )
            talk.begin()
        except (OSError, UnicodeError) as error:
            if talk is not None:
                talk.close()
            watchdog.close()
            raise _no_relay(error) from None  # the cause may contain the password
        self._own.talk = talk
        return talk

    def _begin_again(self, talk: SmtpSession) -> None:
        try:
            code, _ = talk.docmd("RSET")
        except OSError as error:
            raise _LostBeforeData(Outcome.RELAY_DOWN, str(error)) from None
        if code // 100 != 2:  # noqa: PLR2004  2xx: done
            raise _LostBeforeData(Outcome.RELAY_DOWN, f"{code} to RSET")

    def _hand_over(self, talk: SmtpSession, mail: _Mail) -> str:
        to = mail.to
        options = _smtputf8_options(talk, to)
        reported, notify = _dsn_parameters(talk, mail.own_id)
        talk.command_encoding = "utf-8" if options else "ascii"
        is_out = False
        try:
            self._command(talk, to, "MAIL", f"FROM:<{mail.envelope_from}>{options}{reported}")
            self._command(talk, to, "RCPT", f"TO:<{to}>{notify}")
            self._command(talk, to, "DATA", wanted=GO_AHEAD)
            talk.send(mail.content)
            is_out = True
            talk.step = self._relay.timeout  # the last reply may use all the time that is left
            code, text = talk.getreply()
        except OSError as error:
            self._drop()
            if is_out:
                raise NotSent(
                    Outcome.UNKNOWN, f"no reply after the mail: {_plain(error)}"
                ) from error
            raise _LostBeforeData(Outcome.RELAY_DOWN, _plain(error)) from error
        finally:
            talk.step = self._step
        return self._judge(code, text, to)

    def _command(
        self, talk: SmtpSession, to: str, command: str, rest: str = "", *, wanted: int = 250
    ) -> None:
        code, text = talk.docmd(command, rest)
        if code == wanted or (wanted == 250 and code // 100 == 2):  # noqa: PLR2004  any 2xx is a yes
            return
        try:
            self._judge(code, text, to)
        except NotSent as refusal:
            if command == "MAIL" and refusal.outcome is Outcome.NO_MAILBOX:
                # It is about the sender, not the recipient.
                raise NotSent(Outcome.REFUSED, refusal.reply) from None
            raise
        self._drop()
        raise NotSent(Outcome.RELAY_DOWN, f"{code} to {command}")

    def _judge(self, code: int, text: bytes, to: str) -> str:
        said = text.decode("utf-8", "replace")
        reply = mask_reply(code, said, to=to)
        if code // 100 == 2:  # noqa: PLR2004
            return reply
        outcome = classify(code, said)
        if code == GOING_AWAY or outcome is Outcome.RELAY_DOWN:
            self._drop()
        if code == GOING_AWAY:
            raise _LostBeforeData(outcome, reply)
        raise NotSent(outcome, reply)


def _smtputf8_options(talk: SmtpSession, to: str) -> str:
    """The SMTPUTF8 option (RFC 6531) for a recipient that needs it.

    Raises NotSent without support.
    """
    if to.isascii():
        return ""
    if not talk.has_extn("smtputf8"):
        raise NotSent(
            Outcome.CONTENT, "the recipient needs SMTPUTF8, which the relay does not offer"
        )
    return " SMTPUTF8" + (" BODY=8BITMIME" if talk.has_extn("8bitmime") else "")


def _dsn_parameters(talk: SmtpSession, own_id: str) -> tuple[str, str]:
    """Parameters of MAIL and RCPT that request delivery reports (RFC 3461)."""
    if not talk.has_extn("dsn"):
        return "", ""
    envelope_id = f" ENVID={own_id}" if own_id else ""
    return f" RET=HDRS{envelope_id}", " NOTIFY=FAILURE,DELAY"


def _with_end(content: bytes) -> bytes:
    """The content with dots stuffed and the terminating dot (RFC 5321, 4.5.2)."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return LEADING_DOT.sub(b"..", content) + b".\r\n"


def _no_relay(error: OSError | UnicodeError) -> NotSent:
    """The NotSent for a failure before the mail was sent.

    It is about the relay, unless the relay's greeting asks us to slow down.
    """
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        slow = classify(error.smtp_code, said) is Outcome.THROTTLE
        greeting = isinstance(error, smtplib.SMTPConnectError)
        outcome = Outcome.THROTTLE if slow and greeting else Outcome.RELAY_DOWN
        return NotSent(outcome, mask_reply(error.smtp_code, said, to=""))
    return NotSent(Outcome.RELAY_DOWN, _plain(error))


def _plain(error: OSError | UnicodeError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate: {error.verify_message}"
    if isinstance(error, UnicodeError):
        return "the relay's name or password cannot be sent"
    return mask_reply(0, f"{error.strerror or error}", to="")
