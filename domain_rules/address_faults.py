"""Why a text is not accepted as an email address, with a sentence for each reason."""

from domain_rules.enums import StrEnum
from domain_rules.reasons import Reason, named


class AddressFault(StrEnum):
    """Why a text is not accepted as an email address."""

    EMPTY = "empty"
    CONTROL_CHARACTER = "control_character"
    TOO_LONG = "too_long"
    LOCAL_TOO_LONG = "local_too_long"
    NO_AT = "no_at"
    TWO_ATS = "two_ats"
    QUOTED = "quoted"
    SPACE_INSIDE = "space_inside"
    NOT_ASCII_LOCAL = "not_ascii_local"
    FOREIGN_SIGN = "foreign_sign"
    LEADING_SIGN = "leading_sign"
    ROUTED_ONWARD = "routed_onward"
    MIXED_SCRIPTS = "mixed_scripts"
    UNSTABLE_LETTER = "unstable_letter"
    NOT_AT_THIS_DOMAIN = "not_at_this_domain"
    IP_ADDRESS = "ip_address"
    ONE_LABEL = "one_label"
    NUMERIC_TOP_LABEL = "numeric_top_label"
    EMPTY_LABEL = "empty_label"
    TRAILING_DOT = "trailing_dot"
    RESERVED = "reserved"
    NOT_A_DOMAIN = "not_a_domain"
    NOT_AN_ADDRESS = "not_an_address"


ADDRESS_FAULT_SENTENCES = {
    AddressFault.EMPTY: "There is nothing here, or a part of the address is missing.",
    AddressFault.CONTROL_CHARACTER: "It contains an invisible control character.",
    AddressFault.TOO_LONG: "It is too long for an email address.",
    AddressFault.LOCAL_TOO_LONG: "The part before the @ is longer than 64 bytes.",
    AddressFault.NO_AT: "The @ is missing.",
    AddressFault.TWO_ATS: "It contains more than one @.",
    AddressFault.QUOTED: "Quotation marks are not accepted in an address.",
    AddressFault.SPACE_INSIDE: "It contains a space.",
    AddressFault.NOT_ASCII_LOCAL: (
        "Before the @ only unaccented letters, digits and signs are accepted."
    ),
    AddressFault.FOREIGN_SIGN: "Before the @ stands a sign that is not accepted there.",
    AddressFault.LEADING_SIGN: "It begins with - or /, which mail servers do not take for a name.",
    AddressFault.ROUTED_ONWARD: "It is written so that mail servers pass it on to another address.",
    AddressFault.MIXED_SCRIPTS: "Before the @ stand letters of more than one script.",
    AddressFault.UNSTABLE_LETTER: (
        "Before the @ stands a letter that can also be read as another one."
    ),
    AddressFault.NOT_AT_THIS_DOMAIN: (
        "At this domain only unaccented letters, digits and . _ + - ' are accepted before the @."
    ),
    AddressFault.IP_ADDRESS: "After the @ stands an IP address, not a domain.",
    AddressFault.ONE_LABEL: "The domain has no dot.",
    AddressFault.NUMERIC_TOP_LABEL: "The domain ends with a number.",
    AddressFault.EMPTY_LABEL: "The domain begins with a dot or has two dots in a row.",
    AddressFault.TRAILING_DOT: "The domain ends with a dot.",
    AddressFault.RESERVED: "This domain is reserved and receives no mail.",
    AddressFault.NOT_A_DOMAIN: "This is not a domain name.",
    AddressFault.NOT_AN_ADDRESS: "This is not an email address.",
}


class InvalidAddress(ValueError):
    """A text that is not one plain email address, or not one domain."""

    def __init__(self, reason: AddressFault) -> None:
        super().__init__(ADDRESS_FAULT_SENTENCES[reason])
        self.reason = reason

    @property
    def sentence(self) -> Reason:
        """Why, in English, with a code for other languages: `address_` and the fault."""
        return named(ADDRESS_FAULT_SENTENCES[self.reason], f"address_{self.reason.value}")
