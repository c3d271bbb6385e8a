"""The impact of a change of rules: known addresses are decided by the old and the new rules.

Those that it cannot reach are neither read nor counted, so that the cost is that of its reach.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import exists, func, literal, select
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import Decision, DecisionReason, RuleSet
from identity.accounts.models import Account, AccountState
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.threepids.associations import Association

from .reach import EVERYBODY, Reach
from .service import Key

CHUNK = 5_000  # rows read at once
MAX_DOMAINS = 20
AFFECTING: Final = ("change_homeserver", "become_agents", "become_guests", "lose_access")
LARGE: Final = 10  # it affects more than one of so many of all known addresses

Row = tuple[str, str]


@dataclass(frozen=True)
class Impact:
    """Counts over the known addresses that it can reach: those with an account or an association.

    `is_large`: whether it affects a large share of all known addresses, in reach or not.
    """

    known: int = 0
    change_homeserver: int = 0
    become_agents: int = 0
    become_guests: int = 0
    lose_access: int = 0  # could register by themselves and cannot any more, or have no homeserver
    gain_access: int = 0
    invitations: int = 0  # that wait, for addresses that would belong to another homeserver
    domains: tuple[tuple[str, int], ...] = ()
    """The domains with the most affected addresses, and their numbers."""
    is_large: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.domains


@dataclass(frozen=True)
class Replay:
    """`left_behind`: by rule, the homeservers from which accounts would move.

    `by_domain`: how many addresses each effect, a field of `Impact`, has at each domain.
    """

    impact: Impact = Impact()
    left_behind: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    by_domain: dict[tuple[str, str], int] = field(default_factory=dict)


ShowProgress = Callable[[Iterable[Row], int], Iterable[Row]]
"""Rows and their number → the same rows, while showing the progress."""


def replay(
    session: Session,
    old: RuleSet,
    new: RuleSet,
    follow: ShowProgress | None = None,
    *,
    reach: Reach = EVERYBODY,
) -> Replay:
    """Decide every known address by both rule sets. The result contains no address.

    `reach`: those that may be decided otherwise; no others are read. Several statements read them:
    in a transaction that sees one moment, nobody is counted twice.
    """
    rows: Iterable[Row] = _known(session, reach)
    if follow is not None:
        rows = follow(rows, _count(session, reach))
    known, counts = 0, Counter[str]()
    domains: Counter[str] = Counter()
    by_domain: Counter[tuple[str, str]] = Counter()
    left: dict[Key, Counter[str]] = {}
    for text, user_id in rows:
        known += 1
        address = EmailAddress.stored(text)
        was, will = old.decide(address), new.decide(address)
        effects = list(_effects(was, will))
        counts.update(effects)
        domains.update([address.display_domain] if effects else [])
        by_domain.update((effect, address.ascii_domain) for effect in effects)
        if "change_homeserver" in effects and will.rule:
            at = user_id.partition(":")[2]
            left.setdefault((will.rule.kind, will.rule.pattern), Counter())[at] += 1
    for text in _invited(session, reach):
        address = EmailAddress.stored(text)
        if old.decide(address).homeserver != new.decide(address).homeserver:
            counts["invitations"] += 1
            domains[address.display_domain] += 1
            by_domain["invitations", address.ascii_domain] += 1
    return Replay(
        Impact(
            known=known,
            **counts,
            domains=tuple(_most_first(domains)[:MAX_DOMAINS]),
            is_large=_are_few(session, LARGE * sum(counts[name] for name in AFFECTING)),
        ),
        {key: tuple(name for name, _ in _most_first(names)) for key, names in left.items()},
        dict(by_domain),
    )


def _most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    """In an order that does not depend on that of the rows."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _effects(was: Decision, will: Decision) -> Iterator[str]:
    if was.homeserver and will.homeserver and was.homeserver != will.homeserver:
        yield "change_homeserver"
    if was.account_class != will.account_class:
        if will.account_class is AccountClass.AGENT:
            yield "become_agents"
        elif was.account_class is AccountClass.AGENT and will.account_class:
            yield "become_guests"
    could, can = (decision.reason is DecisionReason.OPEN for decision in (was, will))
    lost_all = will.is_nobodys and not was.is_nobodys
    if (could and not can) or lost_all:
        yield "lose_access"
    if can and not could:
        yield "gain_access"


def _known(session: Session, reach: Reach) -> Iterator[Row]:
    """Address and user ID of every known address in reach."""
    for query, column in KNOWN:
        for condition in reach.conditions(column):
            asked = query.where(condition).execution_options(yield_per=CHUNK)
            yield from session.execute(asked)


def _count(session: Session, reach: Reach) -> int:
    """How many rows `_known` yields."""
    return sum(
        session.scalar(query.where(condition).with_only_columns(func.count())) or 0
        for query, column in KNOWN
        for condition in reach.conditions(column)
    )


def _are_few(session: Session, than: int) -> bool:
    """Whether fewer addresses than this are known in all. No more of them are read."""
    missing = than
    for query, _ in KNOWN:
        if missing:
            some = query.with_only_columns(literal(1)).limit(missing).subquery()
            missing -= session.scalar(select(func.count()).select_from(some)) or 0
    return missing > 0


def _invited(session: Session, reach: Reach) -> Iterator[str]:
    """The addresses in reach for which invitations wait."""
    for condition in reach.conditions(ThirdPartyInvitation.address):
        yield from session.scalars(INVITED.where(condition))


IS_BOUND = exists().where(Association.medium == "email", Association.address == Account.address)
KNOWN = (
    (
        select(Association.address, Association.user_id).where(Association.medium == "email"),
        Association.address,
    ),
    (
        select(Account.address, Account.user_id).where(
            Account.state == AccountState.READY, ~IS_BOUND
        ),
        Account.address,
    ),
)
"""The queries of all known addresses, and their column: an association precedes an account."""
INVITED = select(ThirdPartyInvitation.address).where(
    ThirdPartyInvitation.delivery == Delivery.WAITING,
    ThirdPartyInvitation.ended_at.is_(None),
)
