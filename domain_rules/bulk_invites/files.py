"""Turns the bytes of a list of people into text, or says what kind of file it is instead."""

import html
import re

from domain_rules.addresses import INVISIBLE
from domain_rules.enums import StrEnum

MAX_BYTES = 1_000_000
MAX_LINES = 10_000
MAX_ADDRESSES = 20_000  # of all columns together
MAX_EXAMINED = 4096  # bytes or characters that are examined to tell the kind of file
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh")
OLD_OFFICE = b"\xd0\xcf\x11\xe0"
DOCUMENTS = (b"%PDF-", b"{\\rtf")
# In a spreadsheet's zip these names stand uncompressed near the beginning.
SHEET_MARKS = (b"xl/", b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis")
CARDS = re.compile(r"\s*(?:begin:(?:vcard|vcalendar)|version:\s*1\s|dn::?\s)", re.IGNORECASE)
CARD_INSIDE = re.compile(r"^(?:begin:vcard|dn::? )", re.IGNORECASE | re.MULTILINE)
MARKUP = re.compile(
    r"\s*<(?:!doctype|!--|\?xml|html|head|meta|body|table|tr|td|div|span|p|ul|ol|li|br|a\s+href)"
    r"[\s>/]",
    re.IGNORECASE,
)
ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6]|160));")


class FileFault(StrEnum):
    """Why a file cannot be read."""

    EMPTY = "empty"
    TOO_BIG = "too_big"
    TOO_LONG = "too_long"
    TOO_MANY = "too_many_addresses"
    SPREADSHEET = "spreadsheet"
    ARCHIVE = "archive"
    DOCUMENT = "document"
    CARDS = "cards"
    WEB_PAGE = "web_page"
    BINARY = "binary"
    NO_ADDRESS = "no_address"


LIMITS = {
    FileFault.TOO_BIG: f"{MAX_BYTES} bytes at most",
    FileFault.TOO_LONG: f"{MAX_LINES} lines at most",
    FileFault.TOO_MANY: f"{MAX_ADDRESSES} addresses at most, those of all columns counted",
}


class UnreadableFile(ValueError):
    """The file cannot be read. The message names the limit, if it exceeds one."""

    def __init__(self, fault: FileFault) -> None:
        limit = LIMITS.get(fault)
        super().__init__(f"{fault}: {limit}" if limit else fault.value)
        self.fault = fault


def decode_file(raw: bytes) -> str:
    """The text: UTF-8 or UTF-16 by mark or content, else Windows-1252. Raises UnreadableFile."""
    if len(raw) > MAX_BYTES:
        raise UnreadableFile(FileFault.TOO_BIG)
    if raw.startswith(OLD_OFFICE):
        raise UnreadableFile(FileFault.SPREADSHEET)
    if raw.startswith(ARCHIVES):
        is_sheet = any(mark in raw[:MAX_EXAMINED] for mark in SHEET_MARKS)
        raise UnreadableFile(FileFault.SPREADSHEET if is_sheet else FileFault.ARCHIVE)
    if raw.lstrip()[:8].startswith(DOCUMENTS):
        raise UnreadableFile(FileFault.DOCUMENT)
    text = _decoded(raw).removeprefix("\ufeff")
    if "\0" in text:
        raise UnreadableFile(FileFault.BINARY)
    if not text.strip():
        raise UnreadableFile(FileFault.EMPTY)
    _refuse_other_formats(text[:MAX_EXAMINED])
    return text


def clean_paste(text: str) -> str:
    """The text without invisible characters, and with HTML entities decoded."""
    return ENTITY.sub(lambda found: html.unescape(found.group()), text).translate(INVISIBLE)


def _refuse_other_formats(beginning: str) -> None:
    if MARKUP.match(beginning):
        raise UnreadableFile(FileFault.WEB_PAGE)
    if CARDS.match(beginning) or CARD_INSIDE.search(beginning):
        raise UnreadableFile(FileFault.CARDS)


def _decoded(raw: bytes) -> str:
    codec = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else _silent_half(raw)
    if codec:
        return raw[: len(raw) - len(raw) % 2].decode(codec, errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Five bytes are undefined in Windows-1252: the rest of such a line is still read.
        return raw.decode("cp1252", errors="replace")


def _silent_half(raw: bytes) -> str | None:
    """The UTF-16 codec of a text without a mark: every other byte of western text is zero."""
    sample = raw[: MAX_EXAMINED - MAX_EXAMINED % 2]
    if len(sample) < len("a@") * 2:
        return None
    evens, odds = sample[0::2].count(0), sample[1::2].count(0)
    most = len(sample) // 2 * 8 // 10
    if odds >= most and evens * 20 <= odds:
        return "utf-16-le"
    return "utf-16-be" if evens >= most and odds * 20 <= evens else None
