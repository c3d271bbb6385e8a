"""Complaints: a reader called a mail of ours spam, and their provider reports it (RFC 5965)."""

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from typing import Final

REPORT_TYPE: Final = "feedback-report"
UNWANTED: Final = {"abuse", "fraud", "opt-out", "opt-out-list"}
RETURNED: Final = {"message/rfc822", "message/global", "text/rfc822-headers"}


def is_complaint(message: Message) -> bool:
    """Whether it says that a mail was not wanted; other feedback says that it was, or speaks of signatures."""
    return any(_text(each, "Feedback-Type").lower() in UNWANTED for each in _feedback(message))


def senders(message: Message) -> Iterator[str]:
    """Envelope senders that it names for the mail it is about: in its own field, else in the mail it brings back."""
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
    """Of the report itself: the mail it brings back may hold anything."""
    kind = str(message.get_param("report-type", "") or "").lower()
    if message.get_content_type() == "multipart/report" and kind == REPORT_TYPE:
        yield from _inside(message)


def _inside(message: Message) -> Iterator[Message]:
    payload = message.get_payload() if message.is_multipart() else ()
    yield from (part for part in payload if isinstance(part, Message))


def _returned(part: Message) -> Message:
    """The headers of the mail, whether it came whole or without its text."""
    whole = next(_inside(part), None)
    return whole if whole is not None else HeaderParser().parsestr(str(part.get_payload()))


def _text(message: Message, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())
