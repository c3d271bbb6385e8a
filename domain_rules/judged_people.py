"""Every row of a list of people, judged by the rules before anything is sent: it can be, or here is what to do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from domain_rules.addresses import EmailAddress, InvalidAddress
from domain_rules.advice import DEFAULT, Advice, SharedMailboxes, State, advise
from domain_rules.people_lists import Row
from domain_rules.rules import AccountClass, Kind, RuleSet
from domain_rules.words import Word

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
NEEDS_YES = frozenset({Outcome.TYPO, Outcome.LOOK_ALIKE})


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
    """What else decides: `own` and `invited` are canonical addresses."""

    own: Collection[str] = ()
    invited: Collection[str] = ()
    room_takes_guests: bool = True
    shared_mailboxes: SharedMailboxes = DEFAULT


@dataclass
class _Seen:
    lines: "dict[str, int]" = field(default_factory=dict)
    mailboxes: "dict[str, int]" = field(default_factory=dict)


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
    first = seen.lines.setdefault(address.canonical, row.line)
    if first != row.line or address.canonical in seen.mailboxes:
        return Judged(row, Outcome.DUPLICATE, address, str(first))
    seen.mailboxes[address.canonical] = row.line
    keyed = f"mailbox:{address.mailbox_key()}"
    shares = seen.mailboxes.setdefault(keyed, row.line)
    judged = _by_rules(rules, row, address, around)
    if judged.outcome is Outcome.READY and shares != row.line:
        return Judged(
            row, judged.outcome, address, str(shares), Caution.SAME_MAILBOX, judged.for_guest
        )
    return judged


def _by_rules(rules: RuleSet, row: Row, address: EmailAddress, around: Circumstances) -> Judged:
    advice = advise(
        rules, address, keep_typed=row.is_kept, shared_mailboxes=around.shared_mailboxes
    )
    for_guest = advice.decision.account_class is not AccountClass.AGENT
    known = Outcome.YOUR_OWN if address.canonical in around.own else Outcome.ALREADY_INVITED
    if address.canonical in around.own or address.canonical in around.invited:
        return Judged(row, known, address)
    if advice.state is State.SIBLING:
        return Judged(row, Outcome.SIBLING, address, advice.sibling or "")
    if not row.is_kept and (doubt := _doubt(row, address, advice)):
        return doubt
    if advice.decision.homeserver is None:
        return Judged(row, Outcome.NOT_ACCEPTED, address)
    if for_guest and not around.room_takes_guests:
        return Judged(row, Outcome.ROOM_CLOSED, address)
    is_shared = address in around.shared_mailboxes
    caution = Caution.SHARED_MAILBOX if is_shared else Caution.NONE
    return Judged(row, Outcome.READY, address, caution=caution, for_guest=for_guest)


def _doubt(row: Row, address: EmailAddress, advice: Advice) -> "Judged | None":
    """Somebody should look again; only at domains that no rule names."""
    rule = advice.decision.rule
    if rule is not None and rule.kind is not Kind.DEFAULT:
        return None
    if "xn--" in address.ascii_domain:
        return Judged(row, Outcome.LOOK_ALIKE, address, address.ascii_domain)
    meant = advice.suggestion.display if advice.suggestion else _meant(address)
    return Judged(row, Outcome.TYPO, address, meant) if meant else None


def _meant(address: EmailAddress) -> "str | None":
    typed = address.ascii_domain
    if typed in WELL_KNOWN:
        return None
    near = next((known for known in WELL_KNOWN if is_one_slip(typed, known)), None)
    return f"{address.local}@{near}" if near else None


def is_one_slip(typed: str, meant: str) -> bool:
    """Whether one letter is missing, too many, another one, or changed places with the next."""
    if abs(len(typed) - len(meant)) > 1 or typed == meant:
        return False
    same = next(
        (at for at, pair in enumerate(zip(typed, meant)) if pair[0] != pair[1]),  # noqa: B905  # the rest is compared below
        min(len(typed), len(meant)),
    )
    rest, other = typed[same:], meant[same:]
    return (
        rest[1:] == other[1:]
        or rest[1:] == other
        or rest == other[1:]
        or (rest[:2] == other[:2][::-1] and rest[2:] == other[2:])
    )
