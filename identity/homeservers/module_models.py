"""The table with what our module in each homeserver last declared when it fetched the rules."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core import inserting
from identity.core.database import Base


class HomeserverModule(Base):
    """The module of one homeserver: see `modules.Declared` for the fields."""

    __tablename__ = "homeserver_modules"

    homeserver: Mapped[str] = mapped_column(ForeignKey("homeservers.name"), primary_key=True)
    heard_at: Mapped[datetime]
    version: Mapped[int]
    reports: Mapped[str]  # separated by commas
    actions: Mapped[str]  # separated by commas
    skipped: Mapped[int]  # number of rules in force that the module does not understand
    # The revision of the rules that it has, and the one that it was sent last; see
    # `synapse_api.sync.find_held`. Null: not known yet.
    revision: Mapped[int | None]
    sent_revision: Mapped[int | None]


def find(session: Session, homeserver: str) -> HomeserverModule | None:
    """The module of a homeserver, None if it has never called."""
    return session.get(HomeserverModule, homeserver)


def upsert(session: Session, homeserver: str, values: dict[str, Any]) -> None:
    """Insert or update the row of a homeserver."""
    session.execute(
        inserting.insert_statement(session, HomeserverModule)
        .values(homeserver=homeserver, **values)
        .on_conflict_do_update(index_elements=["homeserver"], set_=values)
    )
