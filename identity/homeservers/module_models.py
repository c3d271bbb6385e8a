"""What our module in each homeserver last said of itself when it asked for the rules."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base

EVERY = timedelta(seconds=20)  # modules may ask every second: it is not written down each time


class HomeserverModule(Base):
    """One homeserver's module. `reports`, `actions`: those of its own that we know, with commas.

    `skipped`: how many of the rules in force it does not understand.
    """

    __tablename__ = "homeserver_modules"

    homeserver: Mapped[str] = mapped_column(ForeignKey("homeservers.name"), primary_key=True)
    heard_at: Mapped[datetime]
    version: Mapped[int]
    reports: Mapped[str]
    actions: Mapped[str]
    skipped: Mapped[int]

    def does(self, action: str) -> bool:
        return action in self.actions.split(",")

    def tells(self, report: str) -> bool:
        return report in self.reports.split(",")


def find(session: Session, homeserver: str) -> HomeserverModule | None:
    return session.get(HomeserverModule, homeserver)


def is_news(
    session: Session,
    now: datetime,
    *,
    homeserver: str,
    version: int,
    reports: Collection[str],
    actions: Collection[str],
    skipped: int,
) -> bool:
    """Whether `hear` is due: it says something else than before, or was not heard for a while."""
    known = find(session, homeserver)
    told = (version, _joined(reports), _joined(actions), skipped)
    return (
        known is None
        or (known.version, known.reports, known.actions, known.skipped) != told
        or now >= known.heard_at + EVERY
    )


def hear(
    session: Session,
    now: datetime,
    *,
    homeserver: str,
    version: int,
    reports: Collection[str],
    actions: Collection[str],
    skipped: int,
) -> None:
    """Write down that the module asked just now, and what it says of itself."""
    values = {
        "heard_at": now,
        "version": version,
        "reports": _joined(reports),
        "actions": _joined(actions),
        "skipped": skipped,
    }
    session.execute(
        inserting.insert(session, HomeserverModule)
        .values(homeserver=homeserver, **values)
        .on_conflict_do_update(index_elements=["homeserver"], set_=values)
    )


def _joined(names: Collection[str]) -> str:
    return ",".join(sorted(names))
