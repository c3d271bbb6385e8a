"""The table of what doctor found when the worker ran it last, for the console."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import rows
from identity.core.database import Base
from identity.core.findings import Finding
from identity.core.personal_data import TEXT


class HealthFinding(Base):
    """One finding, in the order in which doctor tells them."""

    __tablename__ = "health_findings"

    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    what: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    told: Mapped[str] = mapped_column(info=TEXT)
    fix: Mapped[str]
    # The same for other languages, see `core/findings.py`; "" of an older version.
    code: Mapped[str] = mapped_column(default="", server_default="")
    told_of: Mapped[dict[str, str | int]] = mapped_column(
        JSON, default=dict, server_default="{}", info=TEXT
    )
    found_at: Mapped[datetime]


def replace(session: Session, now: datetime, found: Iterable[Finding]) -> None:
    """Keep these instead of those of the run before."""
    rows.delete(session, HealthFinding)
    session.add_all(
        HealthFinding(
            place=place,
            what=each.what,
            state=str(each.state),
            told=each.told,
            fix=each.fix,
            code=each.code,
            told_of=dict(each.values),
            found_at=now,
        )
        for place, each in enumerate(found)
    )
    session.flush()


def find_all(session: Session) -> Sequence[HealthFinding]:
    """What was found last, as doctor orders it; empty before the first run."""
    return session.scalars(select(HealthFinding).order_by(HealthFinding.place)).all()


def find_about(session: Session, what: str) -> Sequence[HealthFinding]:
    """What was found last about one thing, such as a homeserver, as doctor orders it."""
    row = HealthFinding
    return session.scalars(select(row).where(row.what == what).order_by(row.place)).all()
