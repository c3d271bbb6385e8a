"""Email addresses, parsed once: the only way to get an address that anything may trust."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, validate_email

from domain_rules import local_parts, same_mailbox
from domain_rules.address_faults import SENTENCES, InvalidAddress, Reason
from domain_rules.display import display_domain

__all__ = ["SENTENCES", "EmailAddress", "InvalidAddress", "Reason", "parse_domain"]

MAX_TYPED = 1000  # characters looked at: a real address and a generous paste around it
MAX_BYTES = 254  # RFC 5321, erratum 1690
MAX_DOMAIN_CHARACTERS = 253
MAX_LABEL_CHARACTERS = 63

# Soft hyphen, zero-width space, non-joiner, joiner, word joiner, byte order mark: they
# come with copy and paste and nobody sees them.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
# What turns the reading direction makes an address look like another one.
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
CONTROL_CATEGORIES = frozenset({"Cc", "Zl", "Zp"})
# UTS 46 reads these as dots; done first so that labels can be counted.
IDEOGRAPHIC_DOTS = dict.fromkeys(map(ord, "\u3002\uff0e\uff61"), ".")
OUTSIDE_AN_ATOM = frozenset('<>()[]\\,;: "')


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """One address. `canonical` is what is compared, stored and mailed to."""

    canonical: str
    local: str
    ascii_domain: str
    display_domain: str

    @classmethod
    def parse(cls, text: str, *, smtputf8: bool = False, typed: bool = True) -> "EmailAddress":
        """Read what somebody typed; `InvalidAddress`, and nothing else, if it will not do.

        Non-ASCII before the @ is refused unless `smtputf8`: the relay must carry it. What is read
        can be mailed to as it is; whether its domain has such addresses, the rules say
        (`RuleSet.read`). `typed=False`: a program sent it. What people paste along is not taken off
        then, nor is a letter of the domain read as another one: the program goes on with its own text.
        """
        typed_local, typed_domain = _split(_clean(text) if typed else _as_it_is(text))
        local = local_parts.fold(typed_local, smtputf8=smtputf8)
        ascii_domain = _to_ascii(typed_domain)
        if not typed and not _is_plain_domain(typed_domain, ascii_domain):
            raise InvalidAddress(Reason.NOT_A_DOMAIN)
        canonical = f"{local}@{ascii_domain}"
        if len(canonical.encode()) > MAX_BYTES:
            raise InvalidAddress(Reason.TOO_LONG)
        return cls(canonical, local, ascii_domain, display_domain(ascii_domain))

    @classmethod
    def stored(cls, canonical: str) -> "EmailAddress":
        """One that was parsed before it was stored. Never for what somebody typed.

        What was taken then may be refused by now: see `refusal`.
        """
        local, _, ascii_domain = canonical.rpartition("@")
        return cls(canonical, local, ascii_domain, display_domain(ascii_domain))

    @property
    def refusal(self) -> Reason | None:
        """Why what stands before the @ would not be taken today: no mail goes there. None if it would."""
        return local_parts.fault_of(self.local)

    @property
    def extra_signs(self) -> frozenset[str]:
        """Which of `= & # ~ /` stand before the @: an agents' domain takes them by its rule only."""
        return local_parts.extra_signs(self.local)

    def __str__(self) -> str:
        return self.canonical

    @property
    def display(self) -> str:
        """For people: the domain as it is written, where that cannot mislead."""
        return f"{self.local}@{self.display_domain}"

    @property
    def masked(self) -> str:
        """For people who must recognise it without learning it: l•••@asso.example."""
        return f"{self.local[0]}•••@{self.display_domain}"

    def mailbox_key(self, plus_in_names: frozenset[str] = frozenset()) -> str:
        """The mailbox behind the address, for limits and warnings, never for identity.

        Most mail servers leave out what follows a plus, so whoever has one mailbox has endless addresses:
        it does not count, but at the domains of `plus_in_names`, where a plus is a letter as any other.
        Dots stay but at the few services that read past them: two people would share their limits elsewhere.
        """
        name = self.local.partition("+")[0]
        if name and self.ascii_domain not in plus_in_names:
            return same_mailbox.folded(name, self.ascii_domain)
        return self.canonical

    @property
    def untagged(self) -> str:
        """The mailbox as versions named it that read no service's rules: without what follows a plus."""
        name = self.local.partition("+")[0]
        return f"{name}@{self.ascii_domain}" if name else self.canonical


def parse_domain(text: str) -> str:
    """The A-label form of a typed `domain` or `@domain`; `InvalidAddress` if it is none."""
    domain = _clean(text).removeprefix("@")
    if not domain:
        raise InvalidAddress(Reason.EMPTY)
    if any(letter.isspace() for letter in domain):
        raise InvalidAddress(Reason.SPACE_INSIDE)
    return _to_ascii(domain)


def _clean(text: str) -> str:
    """Without what came with the paste. Length first, so that a book costs nothing."""
    if len(text) > MAX_TYPED:
        raise InvalidAddress(Reason.TOO_LONG)
    if not text.isascii() or not text.isprintable():
        for letter in text:
            category = unicodedata.category(letter)
            if category in CONTROL_CATEGORIES or letter in BIDI:
                raise InvalidAddress(Reason.CONTROL_CHARACTER)
            if category == "Cs":
                raise InvalidAddress(Reason.NOT_AN_ADDRESS)
        text = text.translate(INVISIBLE)
    return text.strip()


def _as_it_is(text: str) -> str:
    """The text, if nothing in it came with a paste."""
    if len(_clean(text)) == len(text):
        return text
    raise InvalidAddress(Reason.CONTROL_CHARACTER if text.strip() == text else Reason.SPACE_INSIDE)


def _is_plain_domain(given: str, ascii_domain: str) -> bool:
    """Whether it was given in ASCII, or as the letters that its A-labels stand for."""
    if given.isascii():
        return True
    return unicodedata.normalize("NFC", given).lower() == idna.decode(ascii_domain)


def _split(text: str) -> tuple[str, str]:
    if not text:
        raise InvalidAddress(Reason.EMPTY)
    if '"' in text:
        raise InvalidAddress(Reason.QUOTED)
    local, at, domain = text.partition("@")
    if not at:
        raise InvalidAddress(Reason.NO_AT)
    if "@" in domain:
        raise InvalidAddress(Reason.TWO_ATS)
    if not local or not domain:
        raise InvalidAddress(Reason.EMPTY)
    if any(letter.isspace() for letter in text):
        raise InvalidAddress(Reason.SPACE_INSIDE)
    if OUTSIDE_AN_ATOM.intersection(local):
        raise InvalidAddress(Reason.NOT_AN_ADDRESS)
    return local, domain


def _to_ascii(typed: str) -> str:
    """The A-label form, lower case. One domain has one: Unicode and xn-- give the same."""
    domain = typed.translate(IDEOGRAPHIC_DOTS).lower()
    _check_shape(domain)
    try:
        ascii_domain = _ascii_domain(domain)
        # A label in xn-- form must be what its own Unicode form is encoded to.
        is_one = "xn--" not in ascii_domain or _encoded_again(ascii_domain) == ascii_domain
    except ValueError:  # of email-validator and of idna alike
        is_reserved = domain.rpartition(".")[2] in SPECIAL_USE_DOMAIN_NAMES
        raise InvalidAddress(Reason.RESERVED if is_reserved else Reason.NOT_A_DOMAIN) from None
    if not is_one:
        raise InvalidAddress(Reason.NOT_A_DOMAIN)
    return ascii_domain


def _encoded_again(ascii_domain: str) -> str:
    return idna.encode(idna.decode(ascii_domain)).decode()


@lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    """The domain as email-validator encodes it; its error if it is none.

    It looks at whole addresses, so it is given one. Its list of reserved domains stays in force:
    .localhost, .local, .test receive no mail from outside; .example is not on it. Nothing of the
    library is changed or switched off.
    """
    ascii_domain: str = validate_email(f"a@{domain}", check_deliverability=False).ascii_domain
    return ascii_domain


def _check_shape(domain: str) -> None:
    """What can be said more precisely than "not a domain"."""
    if domain.startswith("[") or _is_ip_address(domain):
        raise InvalidAddress(Reason.IP_ADDRESS)
    if domain.endswith(".") and domain.strip("."):
        raise InvalidAddress(Reason.TRAILING_DOT)
    labels = domain.split(".")
    if "" in labels:
        raise InvalidAddress(Reason.EMPTY_LABEL)
    if len(labels) == 1:
        raise InvalidAddress(Reason.ONE_LABEL)
    if labels[-1].isdigit():
        raise InvalidAddress(Reason.NUMERIC_TOP_LABEL)
    if len(domain) > MAX_DOMAIN_CHARACTERS or max(map(len, labels)) > MAX_LABEL_CHARACTERS:
        raise InvalidAddress(Reason.TOO_LONG)


def _is_ip_address(domain: str) -> bool:
    try:
        ip_address(domain)
    except ValueError:
        return False
    return True


def canonical_or_typed(typed: str) -> str:
    """The address as it is stored; what is no address stays as it is, and nobody has it."""
    try:
        return EmailAddress.parse(typed, smtputf8=True, typed=False).canonical
    except InvalidAddress:
        return typed.lower() if typed.isascii() else typed
