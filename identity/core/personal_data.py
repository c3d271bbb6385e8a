"""What is stored of a person: marks of the columns that may name one, and records to show.

Every column of text or JSON carries one of these marks, or is listed as impersonal in
`tests/architecture/test_personal_data.py`. Erasing walks over the marks to check that nothing is
left, so a table that is added later cannot be forgotten.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, String, and_, cast, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.same_mailbox import SERVICES

from . import rows
from .address_domains import name_of
from .database import Base, marked_columns

if TYPE_CHECKING:  # it stands on libraries of cryptography, which tables do not need
    from .keyed_hashes import KeyedHashes

ADDRESS: Final = {"person": "address"}  # a canonical address, or something without "@" in its place
USER_ID: Final = {"person": "user_id"}
TEXT: Final = {"person": "text"}  # text or JSON from outside in which an address may stand
HASH: Final = {"person": "hash"}  # of an address; its row is deleted with that address
# What operators decided and signed for: rules of single addresses, and the journal. It stays.
RECORD: Final = {"person": "record"}

ERASED: Final = "•••"  # in place of an address in a text that belongs to somebody else
IN_TEXT: Final = re.compile(r"[^\s<>()\[\]:,;\"']+@[^\s<>()\[\]:,;\"']+")
USER_ID_IN_TEXT: Final = re.compile(r"(?<![\w.+-])@[^:\s@]+:[0-9A-Za-z.:\[\]-]+")
IN_A_URL: Final = re.compile(r"[\w.+~%-]+%40[\w.%-]+", re.IGNORECASE)
AT_ONCE: Final = 500  # values of one condition


@dataclass(frozen=True)
class Person:
    """An address, with the other spellings of its mailbox that are stored, and its accounts.

    `user_ids`: accounts that are known by these addresses alone. `shared_user_ids`: accounts that
    have another mailbox as well, which may be somebody else's.
    """

    address: str
    addresses: tuple[str, ...]
    user_ids: tuple[str, ...] = ()
    shared_user_ids: tuple[str, ...] = ()

    @property
    def mailbox(self) -> str:
        """The key of the mailbox, see `EmailAddress.mailbox_key`."""
        return mailbox_of(self.address)

    def is_in(
        self, address: InstrumentedAttribute[Any], user_id: InstrumentedAttribute[Any]
    ) -> ColumnElement[bool]:
        """Whether a row names the person, in its column of addresses or of user IDs."""
        return or_(address.in_(self.addresses), user_id.in_(self.user_ids))

    @property
    def all_user_ids(self) -> tuple[str, ...]:
        """All accounts that have one of these addresses."""
        return (*self.user_ids, *self.shared_user_ids)


@dataclass(frozen=True)
class Record:
    """One thing that is stored, as people read it.

    `section`: which kind of thing. `facts`: plain-language names and values. `moments`: what
    happened when, in words, for a timeline.
    """

    section: str
    facts: dict[str, Any]
    moments: tuple[tuple[datetime, str], ...] = ()


@dataclass
class Erased:
    """What erasing did: rows by what they were, and what ended or stays, in sentences."""

    rows: dict[str, int] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    def count(self, what: str, number: int) -> None:
        """Add to the count of one kind of row."""
        if number:
            self.rows[what] = self.rows.get(what, 0) + number


@dataclass(frozen=True)
class View:
    """A look at one person at one moment: what the part of each story is given."""

    session: Session
    hashes: "KeyedHashes"
    now: datetime
    person: Person


@dataclass(frozen=True)
class Erasure(View):
    """The erasing of one person. `by`: the operator, for histories that are kept."""

    by: str
    placeholder: str
    """Stands in place of the address or user ID in rows of others. Random: it leads to nobody."""
    done: Erased = field(default_factory=Erased)

    def delete(self, what: str, table: type[Base], *which: ColumnElement[bool]) -> None:
        """Delete rows, and count them under this name."""
        self.done.count(what, rows.delete(self.session, table, *which))

    def user_placeholder(self, user_id: str) -> str:
        """In place of a user ID; the homeserver stays, since rows are read by it."""
        return f"@{self.placeholder}:{user_id.partition(':')[2]}"


def happened(*moments: tuple[datetime | None, str]) -> tuple[tuple[datetime, str], ...]:
    """The moments that have come."""
    return tuple((at, what) for at, what in moments if at is not None)


def mailbox_of(address: str) -> str:
    """The mailbox key of a canonical address."""
    return EmailAddress.stored(address).mailbox_key()


def is_same_mailbox(column: InstrumentedAttribute[Any], address: str) -> ColumnElement[bool]:
    """SQL condition that holds for every spelling of the mailbox of an address.

    It may hold for others too; `spellings` reads the result. Tables that grow have an index for it:
    on `name_of` their addresses, or on the key of the mailbox that they keep beside the address.
    """
    mailbox = EmailAddress.stored(mailbox_of(address))
    key: InstrumentedAttribute[str] | None = getattr(column.class_, "mailbox", None)
    if key is not None and column is key:
        return key == mailbox.canonical
    name = mailbox.local.partition("+")[0].replace(".", "")
    found = name_of(column) == name
    service = SERVICES.get(mailbox.ascii_domain)
    if service and service.tag:
        after = chr(ord(service.tag) + 1)
        tagged = (name_of(column) >= f"{name}{service.tag}", name_of(column) < f"{name}{after}")
        found |= and_(*tagged)
    if key is None:
        return found
    # Rows of earlier versions have no key.
    return or_(key == mailbox.canonical, and_(key == "", found))


def spellings(session: Session, address: str) -> tuple[str, ...]:
    """The address itself, then all others of its mailbox that stand in any column.

    What refers to another column says nothing that is not found there.
    """
    mailbox = mailbox_of(address)
    found = {
        value
        for column in marked_columns(ADDRESS)
        if not column.property.columns[0].foreign_keys
        for value in session.scalars(
            select(column).where(is_same_mailbox(column, address)).distinct()
        )
        if "@" in value and mailbox_of(value) == mailbox
    }
    return (address, *sorted(found - {address}))


def mentions(column: InstrumentedAttribute[Any], person: Person) -> ColumnElement[bool]:
    """SQL condition for texts in which the person's address may stand; `redact` reads them."""
    text = func.lower(cast(column, String))
    wanted = []
    for address in person.addresses:
        read = EmailAddress.stored(address)
        is_folded = read.ascii_domain in SERVICES
        name = f"@{read.ascii_domain}" if is_folded else read.untagged.partition("@")[0]
        wanted += [name, json.dumps(name)[1:-1]]  # JSON columns escape letters outside ASCII
    named = (text.contains(name, autoescape=True) for name in dict.fromkeys(wanted))
    return or_(false(), *named)


def is_mentioned(text: str, person: Person) -> bool:
    """Whether an address of the person stands in the text, however it is spelled."""
    return redact(text, person) != text


def redact(text: str, person: Person) -> str:
    """The text with the person's addresses replaced, however they are spelled.

    Also where an address goes on with something else, as in `ana@x.example.csv`.
    """
    text = IN_TEXT.sub(lambda found: ERASED if _is_theirs(found[0], person) else found[0], text)
    for address in person.addresses:
        for name in {address, EmailAddress.stored(address).display}:
            text = re.sub(
                rf"(?<![\w.+-]){re.escape(name)}(?![\w-])", ERASED, text, flags=re.IGNORECASE
            )
    return text


def redact_texts(session: Session, person: Person) -> int:
    """Replace the person's addresses in all texts of others. Returns in how many values."""
    count = 0
    for column in marked_columns(TEXT):
        table = column.class_
        for row in session.scalars(select(table).where(mentions(column, person))):
            before = getattr(row, column.key)
            after = _redacted(before, person)
            if after != before:
                setattr(row, column.key, after)
                count += 1
    session.flush()
    return count


def residues(session: Session, person: Person) -> list[str]:
    """The columns that still name the person: `table.column`. Empty once they are erased."""
    names = ((ADDRESS, person.addresses), (USER_ID, person.user_ids))
    left = [
        _name(column)
        for mark, values in names
        for column in marked_columns(mark)
        if values and session.scalar(select(column).where(column.in_(values)).limit(1)) is not None
    ]
    return left + [
        _name(column)
        for column in marked_columns(TEXT)
        if any(is_mentioned(text, person) for text in _texts(session, column, person))
    ]


def records_that_stay(session: Session, person: Person) -> dict[str, int]:
    """How many rows of operators' decisions name the person, by `table.column`."""
    found = {}
    for column in marked_columns(RECORD):
        texts = _texts(session, column, person, *person.user_ids)
        count = sum(
            is_mentioned(text, person) or any(user_id in text for user_id in person.user_ids)
            for text in texts
        )
        found[_name(column)] = count
    return {name: count for name, count in found.items() if count}


def addresses_in(text: str) -> Iterator[str]:
    """The addresses in a text, or in JSON, in canonical form."""
    for found in IN_TEXT.finditer(_unescaped(text)):
        try:
            yield EmailAddress.parse(found[0].rstrip("."), smtputf8=True).canonical
        except InvalidAddress:
            continue


def mask_others(text: str, person: Person) -> str:
    """The text with addresses of others masked: `l•••@asso.example`."""
    return IN_TEXT.sub(
        lambda found: found[0] if _is_theirs(found[0], person) else mask(found[0]), text
    )


def mask(text: str) -> str:
    """An address or a user ID, so that it can be recognised but not learned."""
    if text.startswith("@"):
        return f"{text[:2]}•••:{text.partition(':')[2]}"
    return f"{text[:1]}•••@{text.rpartition('@')[2]}"


def mask_names(text: str) -> str:
    """A text whose addresses and user IDs are masked, all of them."""
    text = USER_ID_IN_TEXT.sub(lambda found: mask(found[0]), IN_A_URL.sub(ERASED, text))
    return IN_TEXT.sub(lambda found: mask(found[0]), text)


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in lists that fit into one condition."""
    ordered = sorted(values)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]


def _is_theirs(typed: str, person: Person) -> bool:
    try:
        read = EmailAddress.parse(typed.rstrip("."), smtputf8=True)
    except InvalidAddress:
        return typed.lower() in person.addresses
    return read.canonical in person.addresses or read.mailbox_key() == person.mailbox


def _texts(
    session: Session, column: InstrumentedAttribute[Any], person: Person, *names: str
) -> Iterator[str]:
    """The texts of a column in which the person's addresses, or these names, may stand."""
    named = (cast(column, String).contains(name, autoescape=True) for name in names)
    found = session.scalars(
        select(cast(column, String)).where(or_(mentions(column, person), *named))
    )
    return (_unescaped(text) for text in found if text)


def _redacted(value: Any, person: Person) -> Any:
    """A text, or a JSON value with texts in it, without the person's addresses."""
    match value:
        case str():
            return redact(value, person)
        case list() | tuple():
            return [_redacted(each, person) for each in value]
        case dict():
            return {name: _redacted(each, person) for name, each in value.items()}
        case _:
            return value


def _unescaped(text: str) -> str:
    r"""A text, or JSON whose `\u00e9` stand for letters."""
    if "\\u" not in text:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text


def _name(column: InstrumentedAttribute[Any]) -> str:
    return f"{column.class_.__tablename__}.{column.expression.name}"
