"""Reads what operators type to name a person."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.user_ids import homeserver_in
from identity.command.outcomes import Exit, Failure


def read_address(typed: str) -> EmailAddress:
    """Raises Failure."""
    try:
        return EmailAddress.parse(typed, smtputf8=True)
    except InvalidAddress as error:
        raise Failure(f"this is not an email address: {error}", Exit.USAGE) from error


def read_user_or_address(typed: str) -> str:
    """A user ID as it is, an address in canonical form. Raises Failure."""
    if not typed.startswith("@"):
        return read_address(typed).canonical
    if homeserver_in(typed) is None:
        raise Failure("this is not a Matrix user ID, for example @gil:guests.example", Exit.USAGE)
    return typed


def end_of_day(day: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a day ends in the service's time zone. Raises Failure at the end of time."""
    try:
        return datetime.combine(day.date() + timedelta(days=1), time(), zone).astimezone(UTC)
    except OverflowError:
        raise Failure(f"{day:%Y-%m-%d} is too far in the future", Exit.USAGE) from None
