"""Complaints: a recipient reported a mail as spam, and their provider tells us (RFC 5965)."""

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from typing import Final

REPORT_TYPE: Final = "feedback-report"
UNWANTED: Final = {"abuse", "fraud", "opt-out", "opt-out-list"}
RETURNED: Final = {"message/rfc822", "message/global", "text/rfc822-headers"}


def is_complaint(message: Message) -> bool:
    """Whether the message says that a mail was unwanted.

    Other feedback types say that it was wanted, or are about signatures.
    """
    return any(_text(each, "Feedback-Type").lower() in UNWANTED for each in _feedback(message))


def envelope_senders_of(message: Message) -> Iterator[str]:
    """Envelope senders that a complaint names for the mail it is about.

    They stand in its own field, or in the mail it returns.
    """
    for each in _feedback(message):
        yield _text(each, "Original-Mail-From")
    for part in _parts(message):
        if part.get_content_type() in RETURNED:
            yield _text(_returned(part), "Return-Path")


def _feedback(message: Message) -> Iterator[Message]:
    for part in _parts(message):
        if part.get_content_type() == f"message/{REPORT_TYPE}":
            yield from _inside(part)


def _parts(message: Message) -> Iterator[Message]:
    """Parts of the report itself: the returned mail may contain anything."""
    kind = str(message.get_param("report-type", "") or "").lower()
    if message.get_content_type() == "multipart/report" and kind == REPORT_TYPE:
        yield from _inside(message)


def _inside(message: Message) -> Iterator[Message]:
    payload = message.get_payload() if message.is_multipart() else ()
    yield from (part for part in payload if isinstance(part, Message))


def _returned(part: Message) -> Message:
    """The headers of the returned mail, whether it came whole or without its text."""
    whole = next(_inside(part), None)
    return whole if whole is not None else HeaderParser().parsestr(str(part.get_payload()))


def _text(message: Message, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())
