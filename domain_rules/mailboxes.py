"""Addresses in settings, in the form that mails need: `Name <name@domain>` in ASCII.

They are the operator's own: capitals stay, and domains for tests such as .localhost are accepted.
"""

import re
import unicodedata
from email.errors import HeaderParseError, MessageError
from email.header import Header, decode_header, make_header

import idna

from domain_rules import local_parts
from domain_rules.address_faults import ADDRESS_FAULT_SENTENCES, AddressFault

MAX_NAME = 78  # characters; in encoded words that still fits a line of a mail
MAX_BYTES = 254
MAX_DOMAIN = 200  # characters: with what stands before the @ of a return path under MAX_BYTES
MAX_ENCODED_WORD = (
    64  # characters of an encoded word: with "Reply-To: " before it the line has its 76 (RFC 2047)
)
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
EXAMPLE = "for example Guichet <bonjour@example.org>"


def read_mailbox(text: str) -> str:
    """`Name <address>` or an address alone, as a From header has it. Raises ValueError.

    An accented name becomes encoded words (RFC 2047), a domain its A-label. Reading the result
    again gives the same.
    """
    bare = text.strip(" ")
    _check_printable(bare)
    name, address = "", bare
    if bare.endswith(">"):
        name, _, address = bare[:-1].rpartition("<")
    address = _address(address.strip(" "))
    phrase = _phrase(_name(name.strip(" ")))
    return f"{phrase} <{address}>" if phrase else address


def with_name(mailbox: str, name: str) -> str:
    """The mailbox given by `read_mailbox`, with this name if it has none."""
    return mailbox if mailbox.endswith(">") else f"{_phrase(name)} <{mailbox}>"


def address_of(mailbox: str) -> str:
    """The address alone, from what `read_mailbox` gives."""
    return mailbox.rpartition("<")[2].removesuffix(">")


def read_mail_domain(text: str) -> str:
    """A domain as mail servers know it: A-labels, lower case. Raises ValueError."""
    domain = text.strip(" ").removesuffix(".")
    try:
        ascii_domain = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except (ValueError, UnicodeError):
        ascii_domain = ""
    labels = ascii_domain.split(".")
    is_domain = all(map(LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    is_domain = is_domain and (len(labels) > 1 or ascii_domain == "localhost")
    if not is_domain or len(ascii_domain) > MAX_DOMAIN:
        raise ValueError(f"{text.strip()!r} is not a domain, for example bounce.example.org")
    return ascii_domain


def _address(text: str) -> str:
    local, at, domain = text.partition("@")
    if not at or not local or "@" in domain:
        raise ValueError(f"must hold one address, {EXAMPLE}")
    fault = None if local.isascii() else AddressFault.NOT_ASCII_LOCAL
    if fault := fault or local_parts.fault_of(local.lower()):
        raise ValueError(
            f"{text!r} will not do: {ADDRESS_FAULT_SENTENCES[fault]} Write it {EXAMPLE}"
        )
    address = f"{local}@{read_mail_domain(domain)}"
    if len(address) > MAX_BYTES:
        raise ValueError(f"{text!r} is too long, {EXAMPLE}")
    return address


def _check_printable(text: str) -> None:
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in text):
        raise ValueError(f"must hold no control characters, {EXAMPLE}")


def _name(text: str) -> str:
    """The name as people read it, without quotes and decoded."""
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    elif "=?" in text:
        try:
            text = str(make_header(decode_header(text)))
        except (HeaderParseError, MessageError, LookupError, ValueError):
            raise ValueError(f"the name cannot be decoded, {EXAMPLE}") from None
    _check_printable(text)
    name = " ".join(text.split())
    if "=?" in name or not name.isprintable():
        raise ValueError(f"the name cannot be written in a mail, {EXAMPLE}")
    if len(name) > MAX_NAME:
        raise ValueError(f"the name is longer than {MAX_NAME} characters, {EXAMPLE}")
    return name


def _phrase(name: str) -> str:
    """The name as a header has it: plain, quoted, or in encoded words."""
    if not name or ATOMS.fullmatch(name):
        return name
    if name.isascii():
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return Header(name, "utf-8", maxlinelen=MAX_ENCODED_WORD).encode(linesep="\n").replace("\n", "")
