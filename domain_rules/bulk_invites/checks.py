"""Every row of a list of people, judged by the rules before anything is sent: it can be, or here is what to do."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.advice import DEFAULT, Advice, SharedMailboxes, State, advise
from domain_rules.enums import Word
from domain_rules.rules import AccountClass, Kind, RuleSet

from .reading import Row

# Where many people have their private mail, and long enough that one slip is no other word.
WELL_KNOWN = (
    *("gmail.com", "hotmail.com", "hotmail.fr", "outlook.com", "outlook.fr", "yahoo.com"),
    *("orange.fr", "wanadoo.fr", "laposte.net", "protonmail.com", "icloud.com"),
)


class Outcome(Word):
    """What the check says of a row."""

    READY = "ready"
    DUPLICATE = "duplicate"
    NOT_AN_ADDRESS = "not_an_address"
    IN_TEXT = "in_text"  # in a sentence or a comment: not named as a person
    TYPO = "typo"
    SIBLING = "sibling"
    ROOM_CLOSED = "room_closed"
    NOT_ACCEPTED = "not_accepted"
    LOOK_ALIKE = "look_alike"
    YOUR_OWN = "your_own"
    ALREADY_INVITED = "already_invited"


class Caution(Word):
    """What a row that can be sent should be looked at for."""

    NONE = ""
    SHARED_MAILBOX = "shared_mailbox"
    SAME_MAILBOX = "same_mailbox"


# Somebody must say yes to the address as it is typed, or take the other one.
NEEDS_YES = frozenset({Outcome.TYPO, Outcome.LOOK_ALIKE, Outcome.IN_TEXT})
MAX_DOUBTED = 500  # domains of one list that are compared with those they may be a slip of


@dataclass(frozen=True)
class Judged:
    """`detail`: the other line, the reason, the address or domain to use instead."""

    row: Row
    outcome: Outcome
    address: "EmailAddress | None" = None
    detail: str = ""
    caution: Caution = Caution.NONE
    for_guest: bool = False


@dataclass(frozen=True)
class Circumstances:
    """What else decides: `own` and `invited` are canonical addresses.

    `exists`: whether people are known to have mail at a domain (A-label), so that it is no slip.
    """

    own: Collection[str] = ()
    invited: Collection[str] = ()
    room_takes_guests: bool = True
    shared_mailboxes: SharedMailboxes = DEFAULT
    exists: "Callable[[str], bool]" = frozenset[str]().__contains__


@dataclass
class _Seen:
    lines: "dict[str, int]" = field(default_factory=dict)
    mailboxes: "dict[str, int]" = field(default_factory=dict)
    meant: "dict[str, str]" = field(default_factory=dict)  # for each domain, if it is a slip


def judge(
    rules: RuleSet, rows: Sequence[Row], around: "Circumstances | None" = None
) -> "list[Judged]":
    """One judgement for each row, in the order of the list."""
    seen, around = _Seen(), around or Circumstances()
    return [_judge(rules, row, around, seen) for row in rows]


def _judge(rules: RuleSet, row: Row, around: Circumstances, seen: _Seen) -> Judged:
    try:
        address = rules.read(row.text)
    except InvalidAddress as error:
        return Judged(row, Outcome.NOT_AN_ADDRESS, detail=error.reason.value)
    if row.aside and not row.is_kept:  # nobody yet: it does not stand in a later row's way
        if (line := seen.lines.get(address.canonical)) is not None:
            return Judged(row, Outcome.DUPLICATE, address, str(line))
        return Judged(row, Outcome.IN_TEXT, address, row.aside)
    first = seen.lines.setdefault(address.canonical, row.line)
    if first != row.line or address.canonical in seen.mailboxes:
        return Judged(row, Outcome.DUPLICATE, address, str(first))
    seen.mailboxes[address.canonical] = row.line
    keyed = f"mailbox:{address.mailbox_key()}"
    shares = seen.mailboxes.setdefault(keyed, row.line)
    judged = _by_rules(rules, row, address, around, seen)
    if judged.outcome is Outcome.READY and shares != row.line:
        return Judged(
            row, judged.outcome, address, str(shares), Caution.SAME_MAILBOX, judged.for_guest
        )
    return judged


def _by_rules(
    rules: RuleSet, row: Row, address: EmailAddress, around: Circumstances, seen: _Seen
) -> Judged:
    is_looked_at = not row.is_kept and _may_be_a_slip(address, around, seen)
    advice = advise(
        rules, address, keep_typed=not is_looked_at, shared_mailboxes=around.shared_mailboxes
    )
    if is_looked_at:
        seen.meant[address.ascii_domain] = _meant(address, advice)
    for_guest = advice.decision.account_class is not AccountClass.AGENT
    known = Outcome.YOUR_OWN if address.canonical in around.own else Outcome.ALREADY_INVITED
    if address.canonical in around.own or address.canonical in around.invited:
        return Judged(row, known, address)
    if advice.state is State.SIBLING:
        return Judged(row, Outcome.SIBLING, address, advice.sibling or "")
    if not row.is_kept and (doubt := _doubt(row, address, advice, seen)):
        return doubt
    if advice.decision.homeserver is None:
        return Judged(row, Outcome.NOT_ACCEPTED, address)
    if for_guest and not around.room_takes_guests:
        return Judged(row, Outcome.ROOM_CLOSED, address)
    is_shared = address in around.shared_mailboxes
    caution = Caution.SHARED_MAILBOX if is_shared else Caution.NONE
    return Judged(row, Outcome.READY, address, caution=caution, for_guest=for_guest)


def _may_be_a_slip(address: EmailAddress, around: Circumstances, seen: _Seen) -> bool:
    """Not where people are known to have mail. Each domain is looked at once, and not too many of them."""
    domain = address.ascii_domain
    is_known = domain in seen.meant or len(seen.meant) >= MAX_DOUBTED
    return not is_known and not around.exists(domain)


def _doubt(row: Row, address: EmailAddress, advice: Advice, seen: _Seen) -> "Judged | None":
    """Somebody should look again; only at domains that no rule names."""
    if _is_named(advice):
        return None
    if "xn--" in address.ascii_domain:
        return Judged(row, Outcome.LOOK_ALIKE, address, address.ascii_domain)
    meant = seen.meant.get(address.ascii_domain)
    return Judged(row, Outcome.TYPO, address, f"{address.local}@{meant}") if meant else None


def _is_named(advice: Advice) -> bool:
    rule = advice.decision.rule
    return rule is not None and rule.kind is not Kind.DEFAULT


def _meant(address: EmailAddress, advice: Advice) -> str:
    """The domain that may be meant instead; "" if there is none."""
    typed = address.ascii_domain
    if advice.suggestion:
        return advice.suggestion.display_domain
    if _is_named(advice) or typed in WELL_KNOWN:
        return ""
    return next((known for known in WELL_KNOWN if is_one_slip(typed, known)), "")


def is_one_slip(typed: str, meant: str) -> bool:
    """Whether one letter is missing, too many, another one, or changed places with the next."""
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
