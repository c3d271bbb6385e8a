"""Parses email addresses; every other module works with the result.

`EmailAddress.parse` is the only way to turn untrusted text into an address.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email

from domain_rules import local_parts, same_mailbox
from domain_rules.address_faults import AddressFault, InvalidAddress
from domain_rules.display import display_domain

MAX_TYPED_CHARACTERS = 1000  # characters looked at: a real address and a generous paste around it
MAX_BYTES = 254  # RFC 5321, erratum 1690
MAX_DOMAIN_CHARACTERS = 253
MAX_LABEL_CHARACTERS = 63

# Soft hyphen, zero-width space, non-joiner, joiner, word joiner, byte order mark: they
# come with copy and paste and nobody sees them.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
# Characters that turn the reading direction make an address look like another one.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
CONTROL_CATEGORIES = frozenset({"Cc", "Zl", "Zp"})
# UTS 46 reads these as dots; done first so that labels can be counted.
IDEOGRAPHIC_DOTS = dict.fromkeys(map(ord, "\u3002\uff0e\uff61"), ".")
# As nearly all domains are written. Labels with hyphens at the third and fourth place are reserved:
# what of them is good, email-validator says.
_LABEL = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
PLAIN_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}(?<=[a-z])")
MAX_PLAIN = 200  # characters; what is longer may be too long for an address
RESERVED = frozenset(SPECIAL_USE_DOMAIN_NAMES)
NOT_IN_AN_ATOM = frozenset('<>()[]\\,;: "')


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """One address. `canonical` is what is compared, stored and mailed to."""

    canonical: str
    local: str
    ascii_domain: str
    display_domain: str

    @classmethod
    def parse(cls, text: str, *, smtputf8: bool = False, typed: bool = True) -> "EmailAddress":
        """Read an address. Raises InvalidAddress, and nothing else.

        `smtputf8`: whether letters outside ASCII are accepted before the @, which the mail relay
        must support (RFC 6531). Whether the domain has such addresses is for the rules to say
        (`RuleSet.read`).

        `typed`: a person typed or pasted the text, so what a paste brings along is removed and
        look-alike letters of the domain are folded (UTS 46). With `typed=False` the text comes from
        a program, which continues with its own spelling: such a text is refused instead.
        """
        typed_local, typed_domain = _split(_clean(text) if typed else _as_it_is(text))
        local = local_parts.fold(typed_local, smtputf8=smtputf8)
        ascii_domain = _to_ascii(typed_domain)
        if not typed and not _is_plain_domain(typed_domain, ascii_domain):
            raise InvalidAddress(AddressFault.NOT_A_DOMAIN)
        canonical = f"{local}@{ascii_domain}"
        if len(canonical.encode()) > MAX_BYTES:
            raise InvalidAddress(AddressFault.TOO_LONG)
        return cls(canonical, local, ascii_domain, display_domain(ascii_domain))

    @classmethod
    def stored(cls, canonical: str) -> "EmailAddress":
        """An address that was parsed before it was stored. Never for what somebody typed.

        Rules may have become stricter since: see `refusal`.
        """
        local, _, ascii_domain = canonical.rpartition("@")
        return cls(canonical, local, ascii_domain, display_domain(ascii_domain))

    @property
    def refusal(self) -> AddressFault | None:
        """Why the local part would be refused today, None if it would not.

        No mail is sent to an address with a refusal.
        """
        return local_parts.fault_of(self.local)

    @property
    def extra_signs(self) -> frozenset[str]:
        """Which of `= & # ~ /` stand before the @. Agents' domains accept them by rule only."""
        return local_parts.extra_signs(self.local)

    def __str__(self) -> str:
        return self.canonical

    @property
    def display(self) -> str:
        """For people: the domain in Unicode where that cannot mislead."""
        return f"{self.local}@{self.display_domain}"

    @property
    def masked(self) -> str:
        """For people who must recognise the address without learning it: l•••@asso.example."""
        return f"{self.local[0]}•••@{self.display_domain}"

    def mailbox_key(self) -> str:
        """The mailbox behind the address, for limits and warnings, never for identity.

        What follows a plus is left out, since most mail servers ignore it and one mailbox would
        have endless addresses. Dots are left out only at services known to ignore them: elsewhere
        two people would share their limits.
        """
        name = self.local.partition("+")[0]
        return same_mailbox.fold_mailbox(name, self.ascii_domain) if name else self.canonical

    @property
    def untagged(self) -> str:
        """The address without a plus and what follows it.

        Earlier versions named mailboxes so, before `same_mailbox` existed.
        """
        name = self.local.partition("+")[0]
        return f"{name}@{self.ascii_domain}" if name else self.canonical


def parse_domain(text: str) -> str:
    """The A-label form of a typed `domain` or `@domain`. Raises InvalidAddress."""
    domain = _clean(text).removeprefix("@")
    if not domain:
        raise InvalidAddress(AddressFault.EMPTY)
    if any(letter.isspace() for letter in domain):
        raise InvalidAddress(AddressFault.SPACE_INSIDE)
    return _to_ascii(domain)


def _clean(text: str) -> str:
    """The text without what a paste brings along. The length comes first: a book costs nothing."""
    if len(text) > MAX_TYPED_CHARACTERS:
        raise InvalidAddress(AddressFault.TOO_LONG)
    if not text.isascii() or not text.isprintable():
        for letter in text:
            category = unicodedata.category(letter)
            if category in CONTROL_CATEGORIES or letter in BIDI:
                raise InvalidAddress(AddressFault.CONTROL_CHARACTER)
            if category == "Cs":
                raise InvalidAddress(AddressFault.NOT_AN_ADDRESS)
        text = text.translate(INVISIBLE)
    return text.strip()


def _as_it_is(text: str) -> str:
    """The text itself. Raises InvalidAddress if a paste brought something along."""
    if len(_clean(text)) == len(text):
        return text
    raise InvalidAddress(
        AddressFault.CONTROL_CHARACTER if text.strip() == text else AddressFault.SPACE_INSIDE
    )


def _is_plain_domain(given: str, ascii_domain: str) -> bool:
    """Whether the domain was given in ASCII or exactly as its A-labels decode."""
    if given.isascii():
        return True
    return unicodedata.normalize("NFC", given).lower() == idna.decode(ascii_domain)


def _split(text: str) -> tuple[str, str]:
    if not text:
        raise InvalidAddress(AddressFault.EMPTY)
    if '"' in text:
        raise InvalidAddress(AddressFault.QUOTED)
    local, at, domain = text.partition("@")
    if not at:
        raise InvalidAddress(AddressFault.NO_AT)
    if "@" in domain:
        raise InvalidAddress(AddressFault.TWO_ATS)
    if not local or not domain:
        raise InvalidAddress(AddressFault.EMPTY)
    if any(letter.isspace() for letter in text):
        raise InvalidAddress(AddressFault.SPACE_INSIDE)
    if NOT_IN_AN_ATOM.intersection(local):
        raise InvalidAddress(AddressFault.NOT_AN_ADDRESS)
    return local, domain


def _to_ascii(typed: str) -> str:
    """The A-label form in lower case: one domain has one, given in Unicode or as xn--."""
    domain = typed.translate(IDEOGRAPHIC_DOTS).lower()
    _check_shape(domain)
    try:
        ascii_domain = _ascii_domain(domain)
        # A label in xn-- form must be what its own Unicode form is encoded to.
        is_one = "xn--" not in ascii_domain or _encoded_again(ascii_domain) == ascii_domain
    except ValueError:  # of email-validator and of idna alike
        is_reserved = domain.rpartition(".")[2] in RESERVED
        raise InvalidAddress(
            AddressFault.RESERVED if is_reserved else AddressFault.NOT_A_DOMAIN
        ) from None
    if not is_one:
        raise InvalidAddress(AddressFault.NOT_A_DOMAIN)
    return ascii_domain


def _encoded_again(ascii_domain: str) -> str:
    return idna.encode(idna.decode(ascii_domain)).decode()


@lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    """The domain as email-validator encodes it. Raises its EmailNotValidError.

    The library checks whole addresses, so it is given one. Its list of reserved domains stays in
    force: .localhost, .local and .test receive no mail from outside; .example is not on it.
    It walks over each letter several times, so what is plain is not given to it.
    """
    if len(domain) <= MAX_PLAIN and PLAIN_DOMAIN.fullmatch(domain) and not _is_reserved(domain):
        return domain
    ascii_domain: str = validate_email(f"a@{domain}", check_deliverability=False).ascii_domain
    return ascii_domain


def _is_reserved(domain: str) -> bool:
    while domain and domain not in RESERVED:
        domain = domain.partition(".")[2]
    return bool(domain)


def _check_shape(domain: str) -> None:
    """Refuse what has a more precise reason than "not a domain". Raises InvalidAddress."""
    if domain.startswith("[") or _is_ip_address(domain):
        raise InvalidAddress(AddressFault.IP_ADDRESS)
    if domain.endswith(".") and domain.strip("."):
        raise InvalidAddress(AddressFault.TRAILING_DOT)
    labels = domain.split(".")
    if "" in labels:
        raise InvalidAddress(AddressFault.EMPTY_LABEL)
    if len(labels) == 1:
        raise InvalidAddress(AddressFault.ONE_LABEL)
    if labels[-1].isdigit():
        raise InvalidAddress(AddressFault.NUMERIC_TOP_LABEL)
    if len(domain) > MAX_DOMAIN_CHARACTERS or max(map(len, labels)) > MAX_LABEL_CHARACTERS:
        raise InvalidAddress(AddressFault.TOO_LONG)


def _is_ip_address(domain: str) -> bool:
    if ":" not in domain and not domain[-1:].isdigit():
        return False  # as nearly always: asking the library takes long
    try:
        ip_address(domain)
    except ValueError:
        return False
    return True


def canonical_or_typed(typed: str) -> str:
    """The canonical form; a text that is no address comes back as it is, and matches nobody."""
    try:
        return EmailAddress.parse(typed, smtputf8=True, typed=False).canonical
    except InvalidAddress:
        return typed.lower() if typed.isascii() else typed
