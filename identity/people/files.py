"""Opens the file of one person to one operator for half an hour; every look leaves a row in the journal."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import Decision, RuleSet
from identity.accounts.models import Account
from identity.core import journal, story
from identity.core.journal import Actor
from identity.core.journal_places import Place, of_addresses, of_decision, of_users
from identity.core.keyed_hashes import KeyedHashes
from identity.core.paging import LIMIT, Page
from identity.core.personal_data import Person, View
from identity.core.story import Event
from identity.operators.roles import Scope

from . import file_models as person_files
from .erasure import ErasedPerson
from .file_models import PersonFile
from .parts import PARTS
from .service import find_person, person_of

LASTS: Final = timedelta(minutes=30)
OPEN, SHOW = "person.open", "person.show_neighbour"  # the actions in the journal


@dataclass(frozen=True)
class OpenFile:
    """A file that may be read now. `decision`: where the rules put the address."""

    file: PersonFile
    person: Person
    accounts: tuple[Account, ...]
    decision: Decision

    @property
    def account(self) -> Account | None:
        """The account that the address has here."""
        own = [each for each in self.accounts if each.address == self.person.address]
        return next(iter([*own, *self.accounts]), None)


def open_file(
    session: Session,
    hashes: KeyedHashes,
    rules: RuleSet,
    now: datetime,
    who: Actor,
    *,
    address: EmailAddress,
    operator_id: uuid.UUID,
    scope: Scope,
) -> PersonFile | None:
    """Open the file of an address, known or not; None if the person is outside of the scope."""
    person = find_person(session, address)
    decision, accounts = rules.decide(address), _accounts(session, person)
    if not _is_within(scope, decision, accounts):
        return None
    made = PersonFile(
        operator_id=operator_id,
        address=address.canonical,
        spellings=list(person.addresses[1:]),
        reason=who.reason,
        opened_at=now,
        ends_at=now + LASTS,
        shown=[],
    )
    session.add(made)
    session.flush()
    places = _places(person, decision, accounts)
    _write(session, hashes, now, who, OPEN, name=person.mailbox, file=made, places=places)
    return made


def find(
    session: Session,
    rules: RuleSet,
    now: datetime,
    file_id: uuid.UUID,
    *,
    operator_id: uuid.UUID,
    scope: Scope,
) -> OpenFile | None:
    """The file, if this operator opened it, its half hour is not over, and it is in their scope."""
    file = person_files.find(session, now, file_id, operator_id)
    if file is None:
        return None
    person = person_of(session, (file.address, *file.spellings))
    accounts = _accounts(session, person)
    decision = rules.decide(EmailAddress.stored(file.address))
    if not _is_within(scope, decision, accounts):
        return None
    return OpenFile(file, person, accounts, decision)


def close(session: Session, now: datetime, file: PersonFile) -> None:
    """End the half hour now."""
    file.ends_at = now
    session.flush()


def keep_look(
    session: Session, now: datetime, opened: OpenFile, would: ErasedPerson | None
) -> None:
    """Keep in the file what erasing would do: `would` of a dry run, which was rolled back.

    It reads every table, so it is done once, and not whenever the page is shown.
    """
    opened.file.would_erase = {
        "at": now.isoformat(timespec="seconds"),
        "rows": would.rows if would else {},
        "ended": would.ended if would else [],
        "stays": would.stays if would else [],
        "accounts": list(opened.person.all_user_ids),
    }
    session.flush()


def read_story(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    person: Person,
    *,
    after: str | None = None,
    limit: int = LIMIT,
) -> Page[Event]:
    """What happened, newest first, from all stories. Raises WrongParameter."""
    view = View(session, hashes, now, person)
    parts = [each for part in PARTS for each in part.events_of(view)]
    return story.find_page(session, parts, after=after, limit=limit)


def show_neighbour(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    who: Actor,
    opened: OpenFile,
    *,
    what: str,
    key: str,
) -> bool:
    """Let this file show who else took part in an event. False if there is no such event.

    The journal has it under the name of that other person, who may ask who looked.
    """
    view = View(session, hashes, now, opened.person)
    parts = [each for part in PARTS for each in part.events_of(view)]
    event = story.find_one(session, parts, what, key)
    if event is None or not event.whom or "@" not in event.whom:
        return False
    mark = hashes.mark_of_address(session, event.whom)
    if mark is not None and mark not in opened.file.shown:
        opened.file.shown = [*opened.file.shown, mark]
    session.flush()
    places = _places(opened.person, opened.decision, opened.accounts)
    places |= of_users([event.whom]) if event.whom.startswith("@") else of_addresses([event.whom])
    _write(session, hashes, now, who, SHOW, name=event.whom, file=opened.file, places=places)
    return True


def is_shown(session: Session, hashes: KeyedHashes, file: PersonFile, whom: str) -> bool:
    """Whether the name of somebody else was asked for in this file."""
    return bool(file.shown) and hashes.mark_of_address(session, whom) in file.shown


def _write(
    session: Session,
    hashes: KeyedHashes,
    now: datetime,
    who: Actor,
    action: str,
    *,
    name: str,
    file: PersonFile,
    places: set[Place],
) -> None:
    """A row about a mailbox, an address or a user ID, which is named by a keyed hash."""
    if name.startswith("@"):
        subject = hashes.journal_name_of_user(session, name)
    else:
        subject = hashes.journal_name(session, EmailAddress.stored(name).mailbox_key())
    facts = {"file": str(file.id), "until": file.ends_at.isoformat(timespec="seconds")}
    journal.write(session, now, who, action=action, subject=subject, facts=facts, places=places)


def _places(person: Person, decision: Decision, accounts: tuple[Account, ...]) -> set[Place]:
    """Whose the person is: what `_is_within` asks, and the domain."""
    found = of_decision(decision.homeserver, decision.organisation) | of_addresses([person.address])
    return found.union(*(of_decision(each.homeserver, "") for each in accounts))


def _accounts(session: Session, person: Person) -> tuple[Account, ...]:
    found = select(Account).where(person.is_in(Account.address, Account.user_id))
    return tuple(session.scalars(found.order_by(Account.created_at, Account.id)))


def _is_within(scope: Scope, decision: Decision, accounts: tuple[Account, ...]) -> bool:
    places = {decision.homeserver, *(each.homeserver for each in accounts)}
    return any(
        scope.covers(homeserver=place, organisation=decision.organisation or None)
        for place in places
    )
