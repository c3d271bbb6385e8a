"""Erases a person: every row that names them, with a check that none is left, and a log outside.

What the journal says of them is a keyed hash, so its chain stays whole. Rules for their address,
and what operators wrote about rules, stay: they are decisions that must remain provable.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import String, cast, select
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core import journal, rows
from identity.core.database import marked_columns
from identity.core.journal import Actor, JournalEntry
from identity.core.journal_places import of_addresses, of_users
from identity.core.keyed_hashes import KeyedHashes
from identity.core.personal_data import (
    ADDRESS,
    TEXT,
    USER_ID,
    Erasure,
    Person,
    View,
    addresses_in,
    mailbox_of,
    records_that_stay,
    redact_texts,
    residues,
    spellings,
)
from identity.invitations import person as invitations
from identity.invitations.models import ThirdPartyInvitation
from identity.invitations.mute_models import Mute
from identity.mail import models as mails
from identity.mail.person import suppression_hashes
from identity.mail.suppressions import Suppression
from identity.threepids import account_models as identity_accounts

from . import erasure_log
from .erasure_log import Entry, Names
from .parts import PARTS
from .service import ERASE, find_person, iso, person_of

REPLAY: Final = "person.erase_again"  # the action in the journal
PLACEHOLDER_BYTES: Final = 8
AT_ONCE: Final = 5000  # values fetched together


class NotErased(RuntimeError):
    """A table still names the person: a part is missing in the code, and nothing was erased."""


@dataclass(frozen=True)
class ErasedPerson:
    """What was erased. `rows`: how many by kind; `ended`, `stays`: in sentences.

    `person` is needed once more, for what lies outside the database, and is not kept.
    """

    person: Person
    rows: dict[str, int] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


def erase(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    address: EmailAddress,
    who: Actor,
    *,
    log: Path | None,
) -> ErasedPerson | None:
    """Erase the person of an address; None if nothing is stored, and then nothing is written.

    `log`: the erasure log; None for a dry run, which is rolled back. Raises ErasureLogUnusable, and
    NotErased if a table was forgotten: then roll back.
    """
    found = find_person(session, address)
    # Nobody verifies or invites meanwhile. Addresses come before user IDs, as everywhere.
    invited = invitations.addresses_invited_by(session, found.user_ids)
    mails.lock_addresses(session, {*found.addresses, *invited})
    for user_id in sorted(found.user_ids):
        identity_accounts.lock(session, user_id)
    return _erase(session, hashes, now, find_person(session, address), who, log=log)


def replay(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    who: Actor,
    *,
    log: Path,
    writes: bool = True,
) -> list[ErasedPerson]:
    """Erase again whom a restored database holds although the log says that they were erased.

    Entries whose journal row this database has were committed before the backup: people who came
    back since are left alone. Run twice, it changes nothing more. `writes`: False for a dry run,
    which is rolled back. Raises ErasureLogUnusable.
    """
    entries = erasure_log.read(log)
    key = hashes.key_id(session)
    here = {e for e in entries if journal.is_in_chain(session, e.journal_number, e.journal_hash)}
    repeated = {each for entry in here for each in entry.replays}
    due = [e for e in entries if e not in here and e.key == key and e.journal_hash not in repeated]
    if not due:
        return []
    people = _people_in(session, hashes, due)
    done = [_erase(session, hashes, now, person, who) for person in people]
    for entry in due:
        _forget_hashed(session, entry)
    found = [each for each in done if each is not None]
    facts = {"entries": len(due), "erased": len(found)}
    row = journal.write(session, now, who, action=REPLAY, subject="", facts=facts)
    if writes:
        replayed = tuple(entry.journal_hash for entry in due)
        erasure_log.append(log, replace(_entry(session, hashes, now, row), replays=replayed))
    return found


def unreplayable(session: Session, hashes: KeyedHashes, *, log: Path) -> list[str]:
    """When somebody was erased whom this database may hold, but cannot find: it has another key.

    As the log tells it: ISO 8601 in UTC.
    """
    key = hashes.key_id(session)
    return [
        entry.at
        for entry in erasure_log.read(log)
        if entry.key != key
        and not entry.replays
        and not journal.is_in_chain(session, entry.journal_number, entry.journal_hash)
    ]


def _erase(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    person: Person,
    who: Actor,
    *,
    log: Path | None = None,
) -> ErasedPerson | None:
    erasure = Erasure(session, hashes, now, person, by=who.name, placeholder=_placeholder())
    names = _names_of(erasure)
    for part in PARTS:
        part.erase(erasure)
    erasure.done.count("texts_of_others", redact_texts(session, person))
    session.expire_all()
    if not erasure.done.rows:
        return None
    if left := residues(session, person):
        raise NotErased(", ".join(left))
    facts = {"rows": erasure.done.rows, "ended": erasure.done.ended}
    subject = hashes.journal_name(session, person.mailbox)
    places = of_addresses([person.address]) | of_users(person.all_user_ids)
    row = journal.write(
        session, now, who, action=ERASE, subject=subject, facts=facts, places=places
    )
    if log is not None:
        erasure_log.append(log, replace(_entry(session, hashes, now, row), names=names))
    stays = _what_stays(session, person)
    return ErasedPerson(person, erasure.done.rows, erasure.done.ended, stays)


def _names_of(view: View) -> Names:
    """What the log calls this person: taken before anything is deleted."""
    session, hashes, person = view.session, view.hashes, view.person
    # A backup may hold spellings of the mailbox that are gone by now.
    addresses = dict.fromkeys((*person.addresses, person.mailbox))
    return Names(
        tuple(hashes.hash_for_erasures(session, each) for each in addresses),
        tuple(hashes.hash_for_erasures(session, each) for each in person.user_ids),
        tuple(suppression_hashes(view)),
        tuple(invitations.pseudonyms_of(view)),
    )


def _entry(session: Session, hashes: KeyedHashes, now: datetime, row: JournalEntry) -> Entry:
    """The line of the log that belongs to this row of the journal, without names."""
    return Entry(iso(now), hashes.key_id(session), row.number, row.hash)


def _people_in(session: Session, hashes: KeyedHashes, entries: Sequence[Entry]) -> list[Person]:
    """The people of these entries whom this database holds."""
    by_address = _by_hash(session, hashes, {*_values(session, ADDRESS), *_in_texts(session)})
    by_user_id = _by_hash(session, hashes, _values(session, USER_ID))
    found = {by_address.get(each) for entry in entries for each in entry.names.addresses}
    known = {by_user_id.get(each) for entry in entries for each in entry.names.user_ids}
    return _people(
        session, sorted(each for each in found if each), sorted(each for each in known if each)
    )


def _by_hash(session: Session, hashes: KeyedHashes, values: set[str]) -> dict[str, str]:
    """These addresses or user IDs by their hashes; addresses also by those of their mailboxes."""
    found = {}
    for value in values:
        found[hashes.hash_for_erasures(session, value)] = value
        if not value.startswith("@"):
            found[hashes.hash_for_erasures(session, mailbox_of(value))] = value
    return found


def _values(session: Session, mark: dict[str, str]) -> set[str]:
    """Every address, or user ID, that stands in any column."""
    return {
        value
        for column in marked_columns(mark)
        for value in session.scalars(select(column).distinct().execution_options(yield_per=AT_ONCE))
        if value and "@" in value
    }


def _in_texts(session: Session) -> set[str]:
    """Every address that stands in a text of somebody else."""
    return {
        address
        for column in marked_columns(TEXT)
        for text in session.scalars(
            select(cast(column, String)).distinct().execution_options(yield_per=AT_ONCE)
        )
        for address in addresses_in(text or "")
    }


def _people(session: Session, addresses: Sequence[str], user_ids: Sequence[str]) -> list[Person]:
    """Those to be erased again: by mailbox, then accounts that no address leads to any more."""
    by_mailbox: dict[str, list[str]] = {}
    for address in addresses:
        by_mailbox.setdefault(mailbox_of(address), []).append(address)
    people = [
        person_of(session, tuple(dict.fromkeys((*found, *spellings(session, found[0])))))
        for found in by_mailbox.values()
    ]
    reached = {user_id for person in people for user_id in person.all_user_ids}
    return people + [Person(each, (), (each,)) for each in user_ids if each not in reached]


def _forget_hashed(session: Session, entry: Entry) -> None:
    """Delete what is stored under hashes only, and so is not found by an address."""
    rows.delete(session, Suppression, Suppression.address_hash.in_(entry.names.opt_outs))
    rows.delete(session, Mute, Mute.mailbox_hash.in_(entry.names.opt_outs))
    row = ThirdPartyInvitation
    rows.update(
        session, row, row.address.in_(entry.names.pseudonyms), address=_placeholder(), invitee=None
    )


def _placeholder() -> str:
    return f"erased-{secrets.token_hex(PLACEHOLDER_BYTES)}"


def _what_stays(session: Session, person: Person) -> list[str]:
    stays = [
        f"{count} rows of {name}: what operators decided and wrote"
        for name, count in records_that_stay(session, person).items()
    ]
    stays += [
        f"the account {user_id} on its homeserver: deactivate it there"
        for user_id in person.user_ids
    ]
    return stays + [
        f"the account {user_id}: it has another mailbox" for user_id in person.shared_user_ids
    ]
