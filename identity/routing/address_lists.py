"""The lists of shared mailboxes and of domains without agents, with the operators' changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cache

from sqlalchemy.orm import Session

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.advice import DEFAULT_SHARED_MAILBOXES, AdviceState, SharedMailboxes, advise
from domain_rules.rules import RuleSet
from identity.core import journal
from identity.core.journal import Actor
from identity.problems import Problem

from . import address_list_models, never_agent
from .address_list_models import AddressList

FIRST_WORD = "-*"  # `service-*`: every mailbox whose name begins with that word


class WrongEntry(Problem):
    """This cannot stand on the list."""


def shared_mailboxes(session: Session) -> SharedMailboxes:
    """The list of shared mailboxes, for `advice.advise`."""
    changes = address_list_models.find_changes(session, AddressList.SHARED_MAILBOX)
    if not changes:
        return DEFAULT_SHARED_MAILBOXES
    names = set(DEFAULT_SHARED_MAILBOXES.names) | {
        f"{word}{FIRST_WORD}" for word in DEFAULT_SHARED_MAILBOXES.first_words
    }
    names = _changed(names, changes)
    return replace(
        DEFAULT_SHARED_MAILBOXES,
        names=frozenset(name for name in names if not name.endswith(FIRST_WORD)),
        first_words=frozenset(
            name.removesuffix(FIRST_WORD) for name in names if name.endswith(FIRST_WORD)
        ),
    )


def find_shared_at(session: Session, rules: RuleSet, domain: str, *, limit: int) -> list[str]:
    """The names at which nobody signs up at a domain (A-label), since several people read them.

    As they stand on the list: `contact`, `service-*` for each name that begins with that word,
    and an example of the numbered ones. Names that have a rule of their own are not among them;
    where people need an invitation there are none. At most so many, in the order of letters.
    """
    listed = shared_mailboxes(session)
    examples = {name: name for name in listed.names}
    examples |= {f"{word}{FIRST_WORD}": f"{word}-{word}" for word in listed.first_words}
    examples |= {name: name for name in (each.example for each in listed.numbered)}
    found: list[str] = []
    for name, local in sorted(examples.items()):
        if len(found) == limit:
            break
        try:
            address = EmailAddress.parse(f"{local}@{domain}")
        except InvalidAddress:  # too long together
            continue
        advice = advise(rules, address, keep_typed=True, shared_mailboxes=listed)
        if advice.state is AdviceState.SHARED_MAILBOX:
            found.append(name)
    return found


def why_never_agent(session: Session) -> Callable[[str], str | None]:
    """A function: domain (A-label) → why it may not be opened to agents, or None."""
    changes = address_list_models.find_changes(session, AddressList.NEVER_AGENT)

    def why(domain: str) -> str | None:
        is_listed = changes.get(domain)
        if is_listed is None:
            return never_agent.reason_of(domain)
        return never_agent.OWN_LIST if is_listed else None

    return cache(why)


def change(
    session: Session, now: datetime, who: Actor, name: AddressList, text: str, *, is_listed: bool
) -> bool:
    """Add an entry to a list or remove it. Whether that changed anything. Raises WrongEntry."""
    entry = READERS[name](text)
    if _is_listed(session, name, entry) is is_listed:
        return False
    address_list_models.forget(session, name, entry)
    session.flush()
    if _is_listed(session, name, entry) is not is_listed:
        address_list_models.set_listed(session, now, name, entry, is_listed=is_listed)
    facts = {"is_listed": is_listed}
    journal.write(session, now, who, action=f"{name}.change", subject=entry, facts=facts)
    return True


def _is_listed(session: Session, name: AddressList, entry: str) -> bool:
    if name is AddressList.NEVER_AGENT:
        return why_never_agent(session)(entry) is not None
    listed = shared_mailboxes(session)
    if entry.endswith(FIRST_WORD):
        return entry.removesuffix(FIRST_WORD) in listed.first_words
    return entry in listed.names


def _changed(names: set[str], changes: dict[str, bool]) -> set[str]:
    added = {entry for entry, is_listed in changes.items() if is_listed}
    return (names | added) - {entry for entry, is_listed in changes.items() if not is_listed}


def _read_mailbox(text: str) -> str:
    """A local part with - for _ and . ; or a first word and `-*`. Raises WrongEntry."""
    is_first_word = text.endswith(FIRST_WORD)
    try:
        local = EmailAddress.parse(f"{text.removesuffix(FIRST_WORD)}@a.example").local
    except InvalidAddress as error:
        raise WrongEntry(f"{text!r} is not what stands before the @ of an address.") from error
    name = local.replace("_", "-").replace(".", "-")
    if is_first_word and "-" in name:
        raise WrongEntry(f"{text!r}: only one word can stand before -*.")
    return f"{name}{FIRST_WORD}" if is_first_word else name


def _read_domain(text: str) -> str:
    try:
        return parse_domain(text)
    except InvalidAddress as error:
        raise WrongEntry(f"{text!r} is not a domain: {error}") from error


READERS: dict[AddressList, Callable[[str], str]] = {
    AddressList.SHARED_MAILBOX: _read_mailbox,
    AddressList.NEVER_AGENT: _read_domain,
}
