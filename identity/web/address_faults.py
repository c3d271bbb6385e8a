"""The sentences about texts that are no address, for the form of /start and for who tests it."""

from typing import Final

from domain_rules.address_faults import AddressFault

FAULTS: Final = {
    AddressFault.NO_AT: "start.fault.no_at",
    AddressFault.TWO_ATS: "start.fault.two_ats",
    AddressFault.SPACE_INSIDE: "start.fault.space",
    AddressFault.NOT_ASCII_LOCAL: "start.fault.accents",
    AddressFault.FOREIGN_SIGN: "start.fault.signs",
    AddressFault.LEADING_SIGN: "start.fault.signs",
    AddressFault.NOT_AT_THIS_DOMAIN: "start.fault.signs",
    AddressFault.ROUTED_ONWARD: "start.fault.onward",
    AddressFault.TOO_LONG: "start.fault.too_long",
    AddressFault.LOCAL_TOO_LONG: "start.fault.too_long",
    AddressFault.RESERVED: "start.fault.reserved",
}
"""Faults with a sentence of their own; for all others the general sentence helps more."""


def text_id(fault: AddressFault) -> str:
    """The id of the sentence that a person reads about this fault."""
    return FAULTS.get(fault, "start.fault")
