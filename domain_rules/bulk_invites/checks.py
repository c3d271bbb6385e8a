"""Checks every row of a list of people by the rules before anything is sent."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.advice import (
    DEFAULT_SHARED_MAILBOXES,
    AddressAdvice,
    AdviceState,
    SharedMailboxes,
    advise,
)
from domain_rules.enums import StrEnum
from domain_rules.rule import AccountClass, RuleKind
from domain_rules.rules import RuleSet

from .tables import Row

# Where many people have private mail; long enough that a typing error gives no other word.
WELL_KNOWN = (
    *("gmail.com", "hotmail.com", "hotmail.fr", "outlook.com", "outlook.fr", "yahoo.com"),
    *("orange.fr", "wanadoo.fr", "laposte.net", "protonmail.com", "icloud.com"),
)


class RowOutcome(StrEnum):
    """What the check says of a row."""

    READY = "ready"
    DUPLICATE = "duplicate"
    NOT_AN_ADDRESS = "not_an_address"
    IN_TEXT = "in_text"  # inside a sentence or a comment
    TYPO = "typo"
    SIBLING = "sibling"
    ROOM_CLOSED = "room_closed"
    NOT_ACCEPTED = "not_accepted"
    LOOK_ALIKE = "look_alike"
    YOUR_OWN = "your_own"
    ALREADY_INVITED = "already_invited"


class Caution(StrEnum):
    """What to look at in a row that can be sent."""

    NONE = ""
    SHARED_MAILBOX = "shared_mailbox"
    SAME_MAILBOX = "same_mailbox"


# Somebody must confirm the address as typed, or take the suggested one.
NEEDS_CONFIRMATION = frozenset({RowOutcome.TYPO, RowOutcome.LOOK_ALIKE, RowOutcome.IN_TEXT})
MAX_DOUBTED_DOMAINS = 500  # of one list, compared with domains that may be meant


@dataclass(frozen=True)
class CheckedRow:
    """A checked row. `detail`: the other line, the reason, or what to use instead."""

    row: Row
    outcome: RowOutcome
    address: EmailAddress | None = None
    detail: str = ""
    caution: Caution = Caution.NONE
    for_guest: bool = False


@dataclass(frozen=True)
class CheckContext:
    """What else decides: `own` and `invited` are canonical addresses.

    `exists`: whether people are known to have mail at a domain (A-label), so that it is not a
    typing error.
    """

    own: Collection[str] = ()
    invited: Collection[str] = ()
    room_takes_guests: bool = True
    shared_mailboxes: SharedMailboxes = DEFAULT_SHARED_MAILBOXES
    exists: Callable[[str], bool] = frozenset[str]().__contains__


@dataclass
class _Seen:
    lines: dict[str, int] = field(default_factory=dict)
    mailboxes: dict[str, int] = field(default_factory=dict)
    meant: dict[str, str] = field(default_factory=dict)  # by domain typed


class RowChecker:
    """Checks the rows of one list in its order, as many at a time as the caller likes."""

    def __init__(self, rules: RuleSet, around: CheckContext | None = None) -> None:
        self._rules, self._around, self._seen = rules, around or CheckContext(), _Seen()

    def check(self, rows: Sequence[Row]) -> list[CheckedRow]:
        """One result for each of the next rows."""
        return [_judge(self._rules, row, self._around, self._seen) for row in rows]


def check_rows(
    rules: RuleSet, rows: Sequence[Row], around: CheckContext | None = None
) -> list[CheckedRow]:
    """One result for each row, in the order of the list."""
    return RowChecker(rules, around).check(rows)


def _judge(rules: RuleSet, row: Row, around: CheckContext, seen: _Seen) -> CheckedRow:
    try:
        address = rules.read(row.text)
    except InvalidAddress as error:
        return CheckedRow(row, RowOutcome.NOT_AN_ADDRESS, detail=error.reason.value)
    if row.aside and not row.is_kept:  # not a person yet: does not make a later row a duplicate
        if (line := seen.lines.get(address.canonical)) is not None:
            return CheckedRow(row, RowOutcome.DUPLICATE, address, str(line))
        return CheckedRow(row, RowOutcome.IN_TEXT, address, row.aside)
    first = seen.lines.setdefault(address.canonical, row.line)
    if first != row.line or address.canonical in seen.mailboxes:
        return CheckedRow(row, RowOutcome.DUPLICATE, address, str(first))
    seen.mailboxes[address.canonical] = row.line
    keyed = f"mailbox:{address.mailbox_key()}"
    shares = seen.mailboxes.setdefault(keyed, row.line)
    judged = _by_rules(rules, row, address, around, seen)
    if judged.outcome is RowOutcome.READY and shares != row.line:
        return CheckedRow(
            row, judged.outcome, address, str(shares), Caution.SAME_MAILBOX, judged.for_guest
        )
    return judged


def _by_rules(
    rules: RuleSet, row: Row, address: EmailAddress, around: CheckContext, seen: _Seen
) -> CheckedRow:
    is_looked_at = not row.is_kept and _may_be_a_slip(address, around, seen)
    advice = advise(
        rules, address, keep_typed=not is_looked_at, shared_mailboxes=around.shared_mailboxes
    )
    if is_looked_at:
        seen.meant[address.ascii_domain] = _meant(address, advice)
    for_guest = advice.decision.account_class is not AccountClass.AGENT
    known = RowOutcome.YOUR_OWN if address.canonical in around.own else RowOutcome.ALREADY_INVITED
    if address.canonical in around.own or address.canonical in around.invited:
        return CheckedRow(row, known, address)
    if advice.state is AdviceState.SIBLING:
        return CheckedRow(row, RowOutcome.SIBLING, address, advice.sibling or "")
    if not row.is_kept and (doubt := _doubt(row, address, advice, seen)):
        return doubt
    if advice.decision.homeserver is None:
        return CheckedRow(row, RowOutcome.NOT_ACCEPTED, address)
    if for_guest and not around.room_takes_guests:
        return CheckedRow(row, RowOutcome.ROOM_CLOSED, address)
    is_shared = address in around.shared_mailboxes
    caution = Caution.SHARED_MAILBOX if is_shared else Caution.NONE
    return CheckedRow(row, RowOutcome.READY, address, caution=caution, for_guest=for_guest)


def _may_be_a_slip(address: EmailAddress, around: CheckContext, seen: _Seen) -> bool:
    """Whether to look for a typing error: once per domain, for a limited number of domains."""
    domain = address.ascii_domain
    is_known = domain in seen.meant or len(seen.meant) >= MAX_DOUBTED_DOMAINS
    return not is_known and not around.exists(domain)


def _doubt(
    row: Row, address: EmailAddress, advice: AddressAdvice, seen: _Seen
) -> CheckedRow | None:
    """Whether somebody should look again; only at domains that no rule names."""
    if _is_named(advice):
        return None
    if "xn--" in address.ascii_domain:
        return CheckedRow(row, RowOutcome.LOOK_ALIKE, address, address.ascii_domain)
    meant = seen.meant.get(address.ascii_domain)
    return CheckedRow(row, RowOutcome.TYPO, address, f"{address.local}@{meant}") if meant else None


def _is_named(advice: AddressAdvice) -> bool:
    rule = advice.decision.rule
    return rule is not None and rule.kind is not RuleKind.DEFAULT


def _meant(address: EmailAddress, advice: AddressAdvice) -> str:
    """The domain that may be meant instead; an empty text if there is none."""
    typed = address.ascii_domain
    if advice.suggestion:
        return advice.suggestion.display_domain
    if _is_named(advice) or typed in WELL_KNOWN:
        return ""
    return next((known for known in WELL_KNOWN if is_one_slip(typed, known)), "")


def is_one_slip(typed: str, meant: str) -> bool:
    """Whether one letter is missing, added or replaced, or two neighbours are swapped."""
    if abs(len(typed) - len(meant)) > 1 or typed == meant:
        return False
    same = next(
        (at for at, pair in enumerate(zip(typed, meant, strict=False)) if pair[0] != pair[1]),
        min(len(typed), len(meant)),
    )
    rest, other = typed[same:], meant[same:]
    return (
        rest[1:] == other[1:]
        or rest[1:] == other
        or rest == other[1:]
        or (rest[:2] == other[:2][::-1] and rest[2:] == other[2:])
    )
