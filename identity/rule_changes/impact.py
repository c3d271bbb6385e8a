"""What a change of rules does to people: every known address through the rules of now and the rules to be."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import CompoundSelect, func, select, union
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import AccountClass, Decision, Reason, RuleSet
from identity.accounts.models import Account, AccountState
from identity.invitations.models import Delivery, ThirdPartyInvitation
from identity.threepids.associations import Association

from .service import Key

CHUNK = 5_000  # rows read at once
MAX_DOMAINS = 20

Row = tuple[str, str]


@dataclass(frozen=True)
class Impact:
    """Counts of known addresses: those an account was made for or bound to. Exact, not sampled."""

    known: int = 0
    change_homeserver: int = 0
    become_agents: int = 0
    become_guests: int = 0
    lose_access: int = 0  # could come in by themselves and no longer can, or are nobody's now
    gain_access: int = 0
    invitations: int = 0  # that wait, and whose addresses would belong elsewhere
    domains: tuple[tuple[str, int], ...] = ()
    """The domains with the most affected addresses, and how many."""

    @property
    def is_empty(self) -> bool:
        return not self.domains


@dataclass(frozen=True)
class Replay:
    """`left_behind`: by rule, the homeservers that accounts it now decides for are on."""

    impact: Impact
    left_behind: dict[Key, tuple[str, ...]]


Follow = Callable[[Iterable[Row], int], Iterable[Row]]
"""Passes on rows, of which there are so many: a place to show how far it has come."""


def replay(session: Session, old: RuleSet, new: RuleSet, follow: Follow | None = None) -> Replay:
    """Decide every known address by both. No address leaves this function."""
    rows = _known(session)
    if follow is not None:
        rows = follow(rows, _count(session))
    counts: Counter[str] = Counter()
    domains: Counter[str] = Counter()
    left: dict[Key, Counter[str]] = {}
    for text, user_id in rows:
        address = EmailAddress.stored(text)
        was, will = old.decide(address), new.decide(address)
        effects = list(_effects(was, will))
        counts.update(["known", *effects])
        domains.update([address.display_domain] if effects else [])
        if "change_homeserver" in effects and will.rule:
            at = user_id.partition(":")[2]
            left.setdefault((will.rule.kind, will.rule.pattern), Counter())[at] += 1
    for text in session.scalars(INVITED):
        address = EmailAddress.stored(text)
        if old.decide(address).homeserver != new.decide(address).homeserver:
            counts["invitations"] += 1
            domains[address.display_domain] += 1
    return Replay(
        Impact(**counts, domains=tuple(domains.most_common(MAX_DOMAINS))),
        {key: tuple(name for name, _ in names.most_common()) for key, names in left.items()},
    )


def _effects(was: Decision, will: Decision) -> Iterator[str]:
    if was.homeserver and will.homeserver and was.homeserver != will.homeserver:
        yield "change_homeserver"
    if was.account_class != will.account_class:
        if will.account_class is AccountClass.AGENT:
            yield "become_agents"
        elif was.account_class is AccountClass.AGENT and will.account_class:
            yield "become_guests"
    could, can = (decision.reason is Reason.OPEN for decision in (was, will))
    lost_all = will.is_nobodys and not was.is_nobodys
    if (could and not can) or lost_all:
        yield "lose_access"
    if can and not could:
        yield "gain_access"


def _known(session: Session) -> Iterable[Row]:
    """Address and user ID of everybody."""
    return session.execute(EVERYBODY.execution_options(yield_per=CHUNK))


def _count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(EVERYBODY.subquery())) or 0


def _everybody() -> CompoundSelect[str, str]:
    """Where an account and an association tell of one address, the association counts."""
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
