"""The bytes of a list of people as text, or the name of what they are instead."""

import html
import re

from domain_rules.addresses import INVISIBLE
from domain_rules.enums import Word

MAX_BYTES = 1_000_000
MAX_LINES = 10_000
MAX_ADDRESSES = 20_000  # of all columns together
LOOKED_AT = 4096  # bytes, or characters, that say what kind of file it is
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh")
OLD_OFFICE = b"\xd0\xcf\x11\xe0"
DOCUMENTS = (b"%PDF-", b"{\\rtf")
# In a zip of a spreadsheet these names stand near the beginning, uncompressed.
SHEET_MARKS = (b"xl/", b"[Content_Types].xml", b"mimetypeapplication/vnd.oasis")
CARDS = re.compile(r"\s*(?:begin:(?:vcard|vcalendar)|version:\s*1\s|dn::?\s)", re.IGNORECASE)
CARD_INSIDE = re.compile(r"^(?:begin:vcard|dn::? )", re.IGNORECASE | re.MULTILINE)
MARKUP = re.compile(
    r"\s*<(?:!doctype|!--|\?xml|html|head|meta|body|table|tr|td|div|span|p|ul|ol|li|br|a\s+href)[\s>/]",
    re.IGNORECASE,
)
ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6]|160));")


class Fault(Word):
    """Why nothing can be made of a file."""

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
    Fault.TOO_BIG: f"{MAX_BYTES} bytes at most",
    Fault.TOO_LONG: f"{MAX_LINES} lines at most",
    Fault.TOO_MANY: f"{MAX_ADDRESSES} addresses at most, those of all columns counted",
}


class Unreadable(ValueError):
    """Nothing can be made of this file. Its text names the limit, if it is one."""

    def __init__(self, fault: Fault) -> None:
        limit = LIMITS.get(fault)
        super().__init__(f"{fault}: {limit}" if limit else fault.value)
        self.fault = fault


def decode(raw: bytes) -> str:
    """UTF-8 or UTF-16 as the file says or shows, else Windows-1252. Raises Unreadable."""
    if len(raw) > MAX_BYTES:
        raise Unreadable(Fault.TOO_BIG)
    if raw.startswith(OLD_OFFICE):
        raise Unreadable(Fault.SPREADSHEET)
    if raw.startswith(ARCHIVES):
        is_sheet = any(mark in raw[:LOOKED_AT] for mark in SHEET_MARKS)
        raise Unreadable(Fault.SPREADSHEET if is_sheet else Fault.ARCHIVE)
    if raw.lstrip()[:8].startswith(DOCUMENTS):
        raise Unreadable(Fault.DOCUMENT)
    text = _decoded(raw).removeprefix("\ufeff")
    if "\0" in text:
        raise Unreadable(Fault.BINARY)
    if not text.strip():
        raise Unreadable(Fault.EMPTY)
    _refuse_other_formats(text[:LOOKED_AT])
    return text


def without_paste(text: str) -> str:
    """Without what nobody sees and a paste brings; the signs that a web page writes in words are signs."""
    return ENTITY.sub(lambda found: html.unescape(found.group()), text).translate(INVISIBLE)


def _refuse_other_formats(beginning: str) -> None:
    if MARKUP.match(beginning):
        raise Unreadable(Fault.WEB_PAGE)
    if CARDS.match(beginning) or CARD_INSIDE.search(beginning):
        raise Unreadable(Fault.CARDS)


def _decoded(raw: bytes) -> str:
    codec = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else _silent_half(raw)
    if codec:
        return raw[: len(raw) - len(raw) % 2].decode(codec, errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Five bytes of Windows-1252 stand for nothing: such a line is not lost for them.
        return raw.decode("cp1252", errors="replace")


def _silent_half(raw: bytes) -> "str | None":
    """UTF-16 without a mark: every other byte of western text is zero."""
    sample = raw[: LOOKED_AT - LOOKED_AT % 2]
    if len(sample) < len("a@") * 2:
        return None
    evens, odds = sample[0::2].count(0), sample[1::2].count(0)
    most = len(sample) // 2 * 8 // 10
    if odds >= most and evens * 20 <= odds:
        return "utf-16-le"
    return "utf-16-be" if evens >= most and odds * 20 <= evens else None
