"""The last check of a finished mail's bytes, just before they are handed over.

The address that the rules checked, the one that is stored, the envelope and the To header must be
the same text. A mail that would reach somebody else, or say more than we wrote, is not sent. Every
mailer calls `encode_checked`.
"""

import logging
import re
from email.errors import MessageError
from email.message import EmailMessage
from typing import Final

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress

from .message import encode_for
from .outcomes import NotSent, Outcome

log = logging.getLogger(__name__)

MAX_LINE: Final = 998  # RFC 5322, 2.1.1
NEEDED: Final = frozenset(
    {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("X-Auto-Response-Suppress", "X-Guichet-Template", "MIME-Version", "Content-Type"),
    }
)
WRITTEN: Final = NEEDED | {
    *("Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("Content-Language", "Content-Transfer-Encoding"),
}
SENDER: Final = re.compile(r"[A-Za-z0-9.+_'=&#~/-]{1,64}@[A-Za-z0-9.-]{1,253}")
HEADER: Final = re.compile(rb"([!-9;-~]+): (.*)", re.DOTALL)
BREAK_IN_HEADER: Final = re.compile(rb"\r\n(?![ \t])")
BARE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


def encode_checked(message: EmailMessage, *, envelope_from: str, to: str) -> bytes:
    """The bytes of the mail to `to`. Raises NotSent for a fault of ours, which no retry mends."""
    fault = _fault_of_envelope(envelope_from, to)
    if fault is None:
        try:
            content = encode_for(message, to=to)
        except (ValueError, LookupError, TypeError, MessageError) as error:
            fault = f"the mail cannot be written: {type(error).__name__}"
        else:
            fault = fault_of_bytes(content, to=to)
    if fault is None:
        return content
    log.error("a mail was held back: %s", fault)
    raise NotSent(Outcome.CONTENT, fault)


def fault_of_bytes(content: bytes, *, to: str) -> str | None:
    """What is wrong with a finished mail to this canonical address; None if nothing is."""
    if BARE.search(content):
        return "a line ends otherwise than in CR LF, or a byte is zero"
    if max(map(len, content.split(b"\r\n"))) > MAX_LINE:
        return f"a line is longer than {MAX_LINE} bytes"
    head, _, _ = content.partition(b"\r\n\r\n")
    headers = [HEADER.fullmatch(line) for line in BREAK_IN_HEADER.split(head)]
    names = [header[1].decode() if header else "" for header in headers]
    to_lines = [header[2] for header in headers if header and header[1] == b"To"]
    if not WRITTEN.issuperset(names) or len(set(names)) < len(names):
        return "a header is not one of ours, or stands there twice"
    if missing := NEEDED.difference(names):
        return f"{', '.join(sorted(missing))} is missing"
    if to_lines != [to.encode()]:
        return "the To line is not the address of the envelope"
    return None


def _fault_of_envelope(envelope_from: str, to: str) -> str | None:
    if envelope_from and not SENDER.fullmatch(envelope_from):
        return "the sender of the envelope cannot be sent"
    try:
        if EmailAddress.parse(to, smtputf8=True).canonical != to:
            return "the address is not in its canonical form"
    except InvalidAddress as error:
        return f"no mail goes to such an address: {error.reason}"
    return None
