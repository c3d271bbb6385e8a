"""The facts that welcome a new account: its rooms, and a guest's sponsor and end of access."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.display_names import clean_name
from domain_rules.rules import RuleSet
from identity.accounts.models import Account
from identity.invitations import inviters, models as third_party_invitations

MAX_ROOMS = 5  # named one by one
MAX_ROOM_NAME = 60  # characters of a name somebody chose


@dataclass(frozen=True)
class Welcome:
    """`rooms` are names, `more` counts the others; `sponsor` and the end are those of a guest.

    `room_id`: of the newest invitation, from which the person most probably comes.
    """

    rooms: tuple[str, ...] = ()
    more: int = 0
    room_id: str | None = None
    sponsor: str | None = None
    access_ends_at: datetime | None = None

    def naming(self, number: int) -> "Welcome":
        """The same with at most `number` rooms named; the others are counted in `more`."""
        more = self.more + len(self.rooms[number:])
        return replace(self, rooms=self.rooms[:number], more=more)


def welcome_of(session: Session, rules: RuleSet, account: Account) -> Welcome:
    """The welcome of an account. It names rooms, so show it only to the verified owner."""
    found = third_party_invitations.find_taken_up(session, account.address, account.user_id)
    names = [_name(facts) for facts in found.values()]
    named = tuple(dict.fromkeys(name for name in names if name))[:MAX_ROOMS]
    return Welcome(
        rooms=named,
        more=len([name for name in names if name not in named]),
        room_id=next(reversed(found), None),
        sponsor=_person(session, rules, account.sponsor),
        access_ends_at=account.access_ends_at,
    )


def _name(facts: dict[str, str]) -> str:
    return clean_name(facts.get("room_name", ""), longest=MAX_ROOM_NAME)


def _person(session: Session, rules: RuleSet, user_id: str | None) -> str | None:
    if user_id is None:
        return None
    name, organisation = inviters.name_and_organisation_of(session, rules, user_id)
    if name is None:
        return user_id
    return f"{name} ({organisation})" if organisation else name
