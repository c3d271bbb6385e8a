"""What the console itself stores of a person: who opened their file; and what the journal says of them."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core.journal import JournalEntry
from identity.core.keyed_hashes import KeyedHashes
from identity.core.personal_data import Erasure, Person, Record, View, happened
from identity.core.story import Events, events
from identity.operators.models import Operator

from .file_models import PersonFile


def records_of(view: View) -> Iterator[Record]:
    """Who opened their file, while it is stored; the journal keeps it."""
    row = PersonFile
    found = select(row, Operator.name).join(Operator, Operator.id == row.operator_id)
    mine = found.where(row.address.in_(view.person.addresses)).order_by(row.opened_at)
    for opened, by in view.session.execute(mine):
        yield Record(
            "person_files",
            {
                "address": opened.address,
                "opened_at": opened.opened_at,
                "by": by,
                "reason": opened.reason,
                "readable_until": opened.ends_at,
            },
            happened((opened.opened_at, f"file opened by {by}: {opened.reason}")),
        )


def events_of(view: View) -> Iterator[Events]:
    """What operators did, from the journal: also that they opened the file."""
    row = JournalEntry
    named = row.subject.in_(names_in_journal(view.session, view.hashes, view.person))
    yield events(
        *("deed", row.at, row.number, named), whom=row.actor, detail=row.action, note=row.reason
    )


def erase(erasure: Erasure) -> None:
    """Close and delete their files."""
    erasure.delete("person_files", PersonFile, PersonFile.address.in_(erasure.person.addresses))


def names_in_journal(session: Session, hashes: KeyedHashes, person: Person) -> list[str]:
    """How the journal may call this person: by keyed hashes; earlier rows by user IDs, too.

    That mails may reach an address again stands under the hash that kept them away.
    """
    users = (hashes.find_journal_name_of_user(session, each) for each in person.all_user_ids)
    found = [hashes.find_journal_name(session, person.mailbox), *users]
    allowed = {
        name
        for address in (*person.addresses, person.mailbox)
        for name in hashes.hashes_of_address(session, address)
    }
    return [*filter(None, found), *sorted(allowed), *person.all_user_ids]
