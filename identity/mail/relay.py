"""Hands mails to the relay by SMTP, each to one recipient, and says how it ended."""

import re
import smtplib
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage

from .checks import finished
from .outcomes import NotSent, Outcome, classify
from .relay_url import Relay
from .replies import presentable
from .smtp_session import Deadline, Talk

LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
OWN_ID = re.compile(r"\s*<([0-9A-Za-z-]{1,64})@")
GO_AHEAD = 354
GOING_AWAY = 421
GOODBYE = 2.0  # seconds for a polite end


class _LostBeforeData(NotSent):
    """The connection ended before the whole mail was out: worth a fresh one at once if it was a kept one."""


@dataclass(frozen=True)
class _Mail:
    """One mail, ready for the wire. `content` ends as DATA wants it."""

    content: bytes
    envelope_from: str
    to: str
    own_id: str


class SmtpMailer:
    """Keeps its connection for the next mail until `close`; every thread has its own."""

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
        """Hand over; returns the relay's last words. Raises NotSent."""
        content = _with_end(finished(message, envelope_from=envelope_from, to=to))
        mail = _Mail(content, envelope_from, to, _own_id(message))
        deadline = Deadline(self._relay.timeout)
        kept = self._kept
        if kept is not None:
            try:
                kept.renew(deadline)
                self._begin_again(kept)
                return self._hand_over(kept, mail)
            except _LostBeforeData:
                self._drop()
        return self._hand_over(self._open(deadline), mail)

    def probe(self) -> None:
        """Connect, with TLS and login as the settings say, and leave. Raises NotSent."""
        self._drop()
        self._open(Deadline(self._relay.timeout))
        self.close()

    def close(self) -> None:
        """End this thread's connection, politely if the server listens."""
        if self._kept is not None:
            self._kept.renew(Deadline(GOODBYE))
            with suppress(OSError):
                self._kept.quit()
        self._drop()

    @property
    def _kept(self) -> Talk | None:
        return getattr(self._own, "talk", None)

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._own.talk = None

    def _open(self, deadline: Deadline) -> Talk:
        talk = None
        try:
            talk = Talk(
                self._relay,
                self._context,
                deadline,
                hello=self._hello,
                connect=self._connect,
                step=self._step,
            )
            talk.begin()
        except (OSError, UnicodeError) as error:
            if talk is not None:
                talk.close()
            raise _no_relay(error) from None  # the cause may hold the password
        self._own.talk = talk
        return talk

    def _begin_again(self, talk: Talk) -> None:
        try:
            code, _ = talk.docmd("RSET")
        except OSError as error:
            raise _LostBeforeData(Outcome.RELAY_DOWN, str(error)) from None
        if code // 100 != 2:  # noqa: PLR2004  2xx: done
            raise _LostBeforeData(Outcome.RELAY_DOWN, f"{code} to RSET")

    def _hand_over(self, talk: Talk, mail: _Mail) -> str:
        to = mail.to
        options = _options(talk, to)
        reported, notify = _report_wishes(talk, mail.own_id)
        talk.command_encoding = "utf-8" if options else "ascii"
        is_out = False
        try:
            self._say(talk, to, "MAIL", f"FROM:<{mail.envelope_from}>{options}{reported}")
            self._say(talk, to, "RCPT", f"TO:<{to}>{notify}")
            self._say(talk, to, "DATA", wanted=GO_AHEAD)
            talk.send(mail.content)
            is_out = True
            talk.step = self._relay.timeout  # the last reply may take all that is left
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

    def _say(self, talk: Talk, to: str, command: str, rest: str = "", *, wanted: int = 250) -> None:
        code, text = talk.docmd(command, rest)
        if code == wanted or (wanted == 250 and code // 100 == 2):  # noqa: PLR2004  any 2xx is a yes
            return
        try:
            self._judge(code, text, to)
        except NotSent as refusal:
            if command == "MAIL" and refusal.outcome is Outcome.NO_MAILBOX:
                # Said of the sender, not of the recipient.
                raise NotSent(Outcome.REFUSED, refusal.reply) from None
            raise
        self._drop()
        raise NotSent(Outcome.RELAY_DOWN, f"{code} to {command}")

    def _judge(self, code: int, text: bytes, to: str) -> str:
        said = text.decode("utf-8", "replace")
        reply = presentable(code, said, to=to)
        if code // 100 == 2:  # noqa: PLR2004
            return reply
        outcome = classify(code, said)
        if code == GOING_AWAY or outcome is Outcome.RELAY_DOWN:
            self._drop()
        if code == GOING_AWAY:
            raise _LostBeforeData(outcome, reply)
        raise NotSent(outcome, reply)


def _options(talk: Talk, to: str) -> str:
    """SMTPUTF8 where the recipient needs it, and only there."""
    if to.isascii():
        return ""
    if not talk.has_extn("smtputf8"):
        raise NotSent(
            Outcome.CONTENT, "the recipient needs SMTPUTF8, which the relay does not offer"
        )
    return " SMTPUTF8" + (" BODY=8BITMIME" if talk.has_extn("8bitmime") else "")


def _own_id(message: EmailMessage) -> str:
    found = OWN_ID.match(str(message["Message-ID"] or ""))
    return found[1] if found else ""


def _report_wishes(talk: Talk, own_id: str) -> tuple[str, str]:
    """How the sender and the recipient are named to a relay that reports on mails (RFC 3461)."""
    if not talk.has_extn("dsn"):
        return "", ""
    envelope_id = f" ENVID={own_id}" if own_id else ""
    return f" RET=HDRS{envelope_id}", " NOTIFY=FAILURE,DELAY"


def _with_end(content: bytes) -> bytes:
    """As DATA wants it: no line of the mail is taken for its end."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return LEADING_DOT.sub(b"..", content) + b".\r\n"


def _no_relay(error: OSError | UnicodeError) -> NotSent:
    """Whatever goes wrong before the mail is spoken of is about the relay, unless it asks us to slow down."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        slow = classify(error.smtp_code, said) is Outcome.THROTTLE
        greeting = isinstance(error, smtplib.SMTPConnectError)
        outcome = Outcome.THROTTLE if slow and greeting else Outcome.RELAY_DOWN
        return NotSent(outcome, presentable(error.smtp_code, said, to=""))
    return NotSent(Outcome.RELAY_DOWN, _plain(error))


def _plain(error: OSError | UnicodeError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate: {error.verify_message}"
    if isinstance(error, UnicodeError):
        return "the relay's name or password cannot be sent"
    return presentable(0, f"{error.strerror or error}", to="")
