"""The impact of a change of rules: every known address is decided by the old and the new rules."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import CompoundSelect, func, select, union
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass
from domain_rules.rules import Decision, DecisionReason, RuleSet
from identity.accounts.models import Account, AccountState
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.threepids.associations import Association

from .service import Key

CHUNK = 5_000  # rows read at once
MAX_DOMAINS = 20

Row = tuple[str, str]


@dataclass(frozen=True)
class Impact:
    """Counts over all known addresses: those with an account or an association."""

    known: int = 0
    change_homeserver: int = 0
    become_agents: int = 0
    become_guests: int = 0
    lose_access: int = 0  # could register by themselves and cannot any more, or have no homeserver
    gain_access: int = 0
    invitations: int = 0  # that wait, for addresses that would belong to another homeserver
    domains: tuple[tuple[str, int], ...] = ()
    """The domains with the most affected addresses, and their numbers."""

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
    session: Session, old: RuleSet, new: RuleSet, follow: ShowProgress | None = None
) -> Replay:
    """Decide every known address by both rule sets. The result contains no address."""
    rows = _known(session)
    if follow is not None:
        rows = follow(rows, _count(session))
    counts: Counter[str] = Counter()
    domains: Counter[str] = Counter()
    by_domain: Counter[tuple[str, str]] = Counter()
    left: dict[Key, Counter[str]] = {}
    for text, user_id in rows:
        address = EmailAddress.stored(text)
        was, will = old.decide(address), new.decide(address)
        effects = list(_effects(was, will))
        counts.update(["known", *effects])
        domains.update([address.display_domain] if effects else [])
        by_domain.update((effect, address.ascii_domain) for effect in effects)
        if "change_homeserver" in effects and will.rule:
            at = user_id.partition(":")[2]
            left.setdefault((will.rule.kind, will.rule.pattern), Counter())[at] += 1
    for text in session.scalars(INVITED):
        address = EmailAddress.stored(text)
        if old.decide(address).homeserver != new.decide(address).homeserver:
            counts["invitations"] += 1
            domains[address.display_domain] += 1
            by_domain["invitations", address.ascii_domain] += 1
    return Replay(
        Impact(**counts, domains=tuple(domains.most_common(MAX_DOMAINS))),
        {key: tuple(name for name, _ in names.most_common()) for key, names in left.items()},
        dict(by_domain),
    )


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


def _known(session: Session) -> Iterable[Row]:
    """Address and user ID of every known address."""
    return session.execute(EVERYBODY.execution_options(yield_per=CHUNK))


def _count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(EVERYBODY.subquery())) or 0


def _everybody() -> CompoundSelect[str, str]:
    """The query of all known addresses; an association has precedence over an account."""
    bound = select(Association.address, Association.user_id).where(Association.medium == "email")
    made = select(Account.address, Account.user_id).where(
        Account.state == AccountState.READY,
        Account.address.not_in(select(Association.address).where(Association.medium == "email")),
    )
    return union(bound, made)


EVERYBODY = _everybody()
INVITED = select(ThirdPartyInvitation.address).where(
    ThirdPartyInvitation.delivery == Delivery.WAITING,
    ThirdPartyInvitation.ended_at.is_(None),
)
