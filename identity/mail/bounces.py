"""Bounce addresses that identify one mail, and what arrives there.

That is delivery reports (RFC 3464), and complaints: a recipient reported a mail as spam, and their
provider tells us (RFC 5965).
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.parser import HeaderParser
from enum import StrEnum
from typing import Final
from uuid import UUID

from .outcomes import Outcome, classify, mask_reply

PREFIX: Final = "b+"
ADDRESS: Final = re.compile(r"b\+([a-z2-7]{26})\.([a-z2-7]{16,32})@(.+)")
ID_LENGTH: Final = 16  # bytes
STATUS_TYPES: Final = {"message/delivery-status", "message/global-delivery-status"}
STATUS: Final = re.compile(r"([245])\.\d{1,3}\.\d{1,3}")
SMTP_REPLY: Final = re.compile(r"(\d{3})(?:[ -]+|$)(.*)")
BETWEEN_GROUPS: Final = re.compile(r"\r?\n[ \t]*\r?\n")
# Some servers repeat the code on every line of a long reply.
CODE_AGAIN: Final = re.compile(r"(?<=\s)(\d{3})-(?:\d\.\d{1,3}\.\d{1,3} )?")
NEVER, NOT_NOW = 550, 450  # the codes for a report that has none
# Of complaints: the type of report, the feedback that says so, and the mail that comes with it.
COMPLAINT: Final = "feedback-report"
UNWANTED: Final = {"abuse", "fraud", "opt-out", "opt-out-list"}
RETURNED: Final = {"message/rfc822", "message/global", "text/rfc822-headers"}
RECIPIENT_HEADERS: Final = ("X-Original-To", "Delivered-To", "Envelope-To", "To")


class Action(StrEnum):
    """What happened to the mail. Other actions ("relayed", "expanded") are of no interest."""

    FAILED = "failed"
    DELAYED = "delayed"


class NoReport(Exception):
    """The message reports nothing about a mail of ours; the error says what it is instead."""


@dataclass(frozen=True)
class Report:
    """A delivery report about one mail. `code`: the SMTP reply's, or one that fits the status."""

    action: Action
    outcome: Outcome
    code: int
    said: str

    def reply(self, to: str) -> str:
        """The reply as it may be stored, without addresses, codes and links.

        `to`: the mail's recipient.
        """
        return mask_reply(self.code, self.said, to=to)


def bounce_address(mail_id: UUID, mark: str, domain: str) -> str:
    """The envelope sender of a mail, in lower case since some servers lower it anyway."""
    name = base64.b32encode(mail_id.bytes).decode().rstrip("=").lower()
    return f"{PREFIX}{name}.{mark}@{domain}"


def read_bounce_address(address: str, domain: str) -> tuple[UUID, str] | None:
    """The mail ID and authenticating mark in a bounce address; None: it is none of ours."""
    found = ADDRESS.fullmatch(address.strip().strip("<>").lower())
    if not found or found[3] != domain:
        return None
    try:
        raw = base64.b32decode(found[1].upper() + "=" * 6)
    except ValueError:
        return None
    return (UUID(bytes=raw), found[2]) if len(raw) == ID_LENGTH else None


def recipients_of(message: Message) -> Iterator[str]:
    """Recipients of a message according to its headers, for a pipe that names none."""
    for name in RECIPIENT_HEADERS:
        for value in message.get_all(name, ()):
            yield str(value)


def parse_message(raw: bytes) -> Message:
    """Parse a message. Raises NoReport for one nested too deeply to parse."""
    try:
        return message_from_bytes(raw)
    except RecursionError:
        raise NoReport("it is nested too deep") from None


def read_report(message: Message) -> Report:
    """Read a delivery report. Raises NoReport if it is not one of a failure or delay."""
    report_type = _report_type(message)
    if report_type is None:
        raise NoReport(_what_else(message))
    if report_type != "delivery-status":
        raise NoReport(f"a report of another kind: {report_type[:40] or 'it does not say which'}")
    # Only parts of the report itself: the returned mail may contain anything.
    parts = [part for part in _inside(message) if part.get_content_type() in STATUS_TYPES]
    groups = [group for part in parts for group in _groups(part)]
    for action in Action:
        for group in groups:
            if _field(group, "Action").lower() == action:
                return _report(action, group)
    raise NoReport("a report of neither a failure nor a delay")


def is_complaint(message: Message) -> bool:
    """Whether the message says that a mail was unwanted.

    Other feedback types say that it was wanted, or are about signatures.
    """
    return any(_field(each, "Feedback-Type").lower() in UNWANTED for each in _feedback(message))


def envelope_senders_of(message: Message) -> Iterator[str]:
    """Envelope senders that a complaint names for the mail it is about.

    They stand in its own field, or in the mail it returns.
    """
    for each in _feedback(message):
        yield _field(each, "Original-Mail-From")
    for part in _inside(message) if _report_type(message) == COMPLAINT else ():
        if part.get_content_type() in RETURNED:
            whole = next(_inside(part), None)
            headers = HeaderParser().parsestr(str(part.get_payload())) if whole is None else whole
            yield _field(headers, "Return-Path")


def _feedback(message: Message) -> Iterator[Message]:
    for part in _inside(message) if _report_type(message) == COMPLAINT else ():
        if part.get_content_type() == f"message/{COMPLAINT}":
            yield from _inside(part)


def _report_type(message: Message) -> str | None:
    """The type of a report, "" if it does not say which; None for any other message."""
    if message.get_content_type() != "multipart/report":
        return None
    return str(message.get_param("report-type", "") or "").lower()


def _inside(message: Message) -> Iterator[Message]:
    payload = message.get_payload() if message.is_multipart() else ()
    yield from (part for part in payload if isinstance(part, Message))


def _what_else(message: Message) -> str:
    marked = _field(message, "Auto-Submitted").lower() not in {"", "no"}
    if marked or "X-Autoreply" in message or "X-Auto-Response-Suppress" in message:
        return "an automatic answer"
    return "no delivery report"


def _groups(part: Message) -> Iterator[Message]:
    """The groups of fields: one about the message, and one per recipient."""
    for group in _inside(part):
        yield group
        rest = group.get_payload()
        if isinstance(rest, str):  # the library parses only the older of the two types
            for text in BETWEEN_GROUPS.split(rest.strip()):
                yield HeaderParser().parsestr(text)


def _report(action: Action, group: Message) -> Report:
    code, said = _reply(action, group)
    return Report(action, classify(code, said), code, said)


def _reply(action: Action, group: Message) -> tuple[int, str]:
    status = STATUS.search(_field(group, "Status"))
    kind, _, text = _field(group, "Diagnostic-Code").partition(";")
    reply = SMTP_REPLY.match(text.strip()) if kind.strip().lower() == "smtp" else None
    if reply and reply[1][0] in "45":
        code, said = int(reply[1]), CODE_AGAIN.sub("", reply[2])
    else:
        temporary = status[1] == "4" if status else action is Action.DELAYED
        code, said = NOT_NOW if temporary else NEVER, text.strip()
    if status and not STATUS.match(said) and status[1] == str(code)[0]:
        said = f"{status[0]} {said}".strip()
    return code, said


def _field(group: Message, name: str) -> str:
    return " ".join(str(group.get(name, "")).split())
