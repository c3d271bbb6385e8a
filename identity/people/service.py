"""What is known of one person: found by any spelling of their address, shown, and exported."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.accounts import person as accounts
from identity.core import journal
from identity.core.journal import JournalEntry
from identity.core.keyed_hashes import KeyedHashes
from identity.core.personal_data import (
    USER_ID_IN_TEXT,
    Person,
    Record,
    View,
    mailbox_of,
    mask,
    mask_others,
    records_that_stay,
    spellings,
)

from .parts import PARTS
from .person import names_in_journal

ERASE: Final = "person.erase"  # the action in the journal


@dataclass(frozen=True)
class Known:
    """Everything stored about a person. `acts`: what operators did, from the journal.

    `erased_at`: when they were last erased. `stays`: how many rows of rules and of the journal
    name them, by `table.column`.
    """

    person: Person
    records: list[Record]
    acts: list[JournalEntry]
    erased_at: datetime | None
    stays: dict[str, int]

    @property
    def is_anything(self) -> bool:
        """Whether anything is stored, beside what operators did."""
        return bool(self.records or self.stays)


def find_person(session: Session, address: EmailAddress) -> Person:
    """The person of an address, with the stored spellings of their mailbox, and their accounts."""
    return person_of(session, spellings(session, address.canonical))


def person_of(session: Session, addresses: tuple[str, ...]) -> Person:
    """The person of these spellings of one mailbox."""
    mailbox = mailbox_of(addresses[0])
    alone: list[str] = []
    shared: list[str] = []
    for user_id, others in accounts.addresses_by_user(session, addresses).items():
        is_alone = all(mailbox_of(each) == mailbox for each in others)
        (alone if is_alone else shared).append(user_id)
    return Person(addresses[0], addresses, tuple(alone), tuple(shared))


def known_of(session: Session, hashes: KeyedHashes, now: datetime, address: EmailAddress) -> Known:
    """Everything that is stored about the person of an address."""
    person = find_person(session, address)
    view = View(session, hashes, now, person)
    acts = journal.find_by_subject(session, names_in_journal(session, hashes, person))
    erased = [act.at for act in acts if act.action == ERASE]
    return Known(
        person=person,
        records=[record for part in PARTS for record in part.records_of(view)],
        acts=acts,
        erased_at=max(erased, default=None),
        stays=records_that_stay(session, person),
    )


def nobody(address: EmailAddress) -> Person:
    """A person of whom nothing is stored."""
    return Person(address.canonical, (address.canonical,))


def timeline(known: Known) -> list[tuple[datetime, str, str]]:
    """All moments, oldest first: time, section and words. Addresses of others are masked."""
    moments = [
        (at, record.section, mask_others(what, known.person))
        for record in known.records
        for at, what in record.moments
    ]
    moments += [(act.at, "journal", _act_in_words(act)) for act in known.acts]
    return sorted(moments)


def shown(known: Known) -> dict[str, Any]:
    """Everything as JSON-ready values, for operators: addresses of others are masked."""
    person = known.person
    sections: dict[str, list[Any]] = {}
    for record in known.records:
        sections.setdefault(record.section, []).append(
            masked(record.facts, person, names_users=True)
        )
    return {
        "address": person.address,
        "addresses": list(person.addresses),
        "accounts": list(person.all_user_ids),
        "erased_at": iso(known.erased_at) if known.erased_at else None,
        "timeline": [
            {"at": iso(at), "section": section, "what": what}
            for at, section, what in timeline(known)
        ],
        "data": sections,
        "acts_of_operators": [
            {"at": iso(act.at), "by": act.actor, "what": act.action, "why": act.reason}
            for act in known.acts
        ],
        "stays_after_erasing": known.stays,
    }


def export(known: Known, now: datetime) -> dict[str, Any]:
    """Everything as JSON-ready values, for the person: addresses and IDs of others are masked.

    Section by section: {"verification_requests": [facts], "mails": [facts], ...}.
    """
    sections: dict[str, list[Any]] = {}
    for record in known.records:
        sections.setdefault(record.section, []).append(masked(record.facts, known.person))
    acts = [
        {"at": iso(act.at), "what": act.action, "why": masked(act.reason, known.person)}
        for act in known.acts
    ]
    return {
        "address": known.person.address,
        "other_spellings": list(known.person.addresses[1:]),
        "accounts": list(known.person.all_user_ids),
        "exported_at": iso(now),
        "note": NOTE,
        "data": sections,
        "acts_of_operators": acts,
        "rules_and_journal": known.stays,
    }


NOTE: Final = (
    "Everything that this service stores about this person. Addresses and user IDs of others are "
    "masked. Messages are on the homeserver, which is another service."
)


def masked(value: Any, person: Person, *, names_users: bool = False) -> Any:
    """A JSON-ready value in which other people's addresses are masked.

    Their user IDs are masked too, unless `names_users`.
    """
    match value:
        case str():
            text = mask_others(value, person)
            return text if names_users else _without_users(text, person)
        case datetime():
            return iso(value)
        case dict():
            return {
                name: masked(each, person, names_users=names_users) for name, each in value.items()
            }
        case list() | tuple():
            return [masked(each, person, names_users=names_users) for each in value]
        case _:
            return value


def iso(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC, to the second."""
    return moment.isoformat(timespec="seconds")


def _without_users(text: str, person: Person) -> str:
    return USER_ID_IN_TEXT.sub(
        lambda found: found[0] if found[0] in person.all_user_ids else mask(found[0]), text
    )


def _act_in_words(act: JournalEntry) -> str:
    why = f": {act.reason}" if act.reason else ""
    return f"{act.action} by {act.actor}{why}"
