"""Whose a row of the journal is: the domains, homeservers and organisations that it concerns.

By them operators with a scope find the rows of what they look after, as the openings of person files.
No address stands here. The hash chain covers the rows of the journal and not these: they say who else
may read a row, and auditors read all.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain_rules.addresses import EmailAddress

from .database import Base


class PlaceKind(StrEnum):
    """What a place is."""

    DOMAIN = "domain"  # in A-labels; the rules in force say whose it is
    HOMESERVER = "homeserver"
    ORGANISATION = "organisation"


class JournalPlace(Base):
    """One place that a row concerns."""

    __tablename__ = "journal_places"

    number: Mapped[int] = mapped_column(
        ForeignKey("journal.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)


@dataclass(frozen=True, order=True)
class Place:
    """A domain, a homeserver or an organisation."""

    kind: PlaceKind
    name: str


def of_domain(domain: str) -> set[Place]:
    """The place of a domain (A-labels); none for ""."""
    return {Place(PlaceKind.DOMAIN, domain)} if domain else set()


def of_addresses(addresses: Iterable[str]) -> set[Place]:
    """The domains of canonical addresses; what was erased or hidden has none."""
    named = (each for each in addresses if "@" in each)
    return {Place(PlaceKind.DOMAIN, EmailAddress.stored(each).ascii_domain) for each in named}


def of_users(user_ids: Iterable[str | None]) -> set[Place]:
    """The homeservers of user IDs (`@ana:education.example`)."""
    named = ((each or "").partition(":")[2] for each in user_ids)
    return {Place(PlaceKind.HOMESERVER, each) for each in named if each}


def of_decision(homeserver: str | None, organisation: str) -> set[Place]:
    """Where the rules put an address."""
    found = {Place(PlaceKind.HOMESERVER, homeserver)} if homeserver else set()
    return found | ({Place(PlaceKind.ORGANISATION, organisation)} if organisation else set())


def record(session: Session, number: int, places: Collection[Place]) -> None:
    """Store what the row of this number concerns."""
    for each in sorted(places):
        session.add(JournalPlace(number=number, kind=str(each.kind), name=each.name))
    session.flush()
