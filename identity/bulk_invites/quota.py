"""The quota of invitations by list: so many a day for a whole organisation, not for each inviter.

It is reserved when rows are ordered, for as many days ahead as they need. So each row knows its day,
and sending one costs no count. Single invitations have their own limits, which lists do not touch
(`invitations/inviters.py`).
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from domain_rules.user_ids import homeserver_of
from identity.core.database import limits_count
from identity.threepids import associations

from . import quota_models

DAY = timedelta(days=1)


def organisation_of(session: Session, rules: RuleSet, user_id: str) -> str:
    """Whose quota an inviter uses: their organisation by the rules.

    Without one their domain, and without an address their homeserver.
    """
    bound = associations.find_by_user(session, user_id)
    if not bound:
        return homeserver_of(user_id)
    address = EmailAddress.stored(bound[0].address)
    return rules.decide(address).organisation or address.ascii_domain


def left_today(session: Session, now: datetime, organisation: str, quota: int) -> int | None:
    """How many more may leave today; None without limits."""
    if not limits_count(session):
        return None
    used = quota_models.used_from(session, organisation, _day_of(now))
    return max(0, quota - used.get(_day_of(now), 0))


def last_day(
    session: Session, now: datetime, organisation: str, wanted: int, *, quota: int
) -> datetime:
    """When the last of so many may leave, if they are ordered now. Reserves nothing."""
    if not limits_count(session):
        return now
    used = quota_models.used_from(session, organisation, _day_of(now))
    days = [day for day, _ in _days_for(used, _day_of(now), wanted, quota)]
    return _begin_of(days[-1], now) if days else now


def reserve(
    session: Session, now: datetime, organisation: str, wanted: int, *, quota: int
) -> list[datetime]:
    """Reserve so many. Returns for each when it may leave, `now` for those of today."""
    if not limits_count(session):
        return [now] * wanted
    today = _day_of(now)
    quota_models.lock(session, organisation)
    used = quota_models.used_from(session, organisation, today)
    taken = dict(_days_for(used, today, wanted, quota))
    new = {day: used.get(day, 0) + count for day, count in taken.items()}
    quota_models.record(session, organisation, new)
    return [_begin_of(day, now) for day, count in taken.items() for _ in range(count)]


def give_back(
    session: Session, now: datetime, organisation: str, reserved: Sequence[datetime]
) -> None:
    """Let others have what was reserved for these moments, unless their day is over."""
    if not reserved or not limits_count(session):
        return
    free = Counter(map(_day_of, reserved))
    quota_models.lock(session, organisation)
    used = quota_models.used_from(session, organisation, _day_of(now))
    left = {day: max(0, count - free[day]) for day, count in used.items() if free[day]}
    quota_models.record(session, organisation, left)


def _days_for(
    used: dict[dt.date, int], today: dt.date, wanted: int, quota: int
) -> Iterator[tuple[dt.date, int]]:
    """The days from today on that have room, and how many of those wanted each takes."""
    day = today
    while wanted > 0:
        count = min(wanted, quota - used.get(day, 0))
        if count > 0:
            yield day, count
            wanted -= count
        day += DAY


def _day_of(now: datetime) -> dt.date:
    return now.astimezone(dt.UTC).date()


def _begin_of(day: dt.date, now: datetime) -> datetime:
    return max(now, datetime.combine(day, dt.time(), dt.UTC))
