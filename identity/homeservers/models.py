"""The table of registered homeservers: their URLs, and how accounts are made there."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import false, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base
from identity.core.node_epoch import CHANGE_ENDS

GUEST: Final = "guest"


class Homeserver(Base):
    """One registered homeserver. Its secrets are sealed, see secrets.py."""

    __tablename__ = "homeservers"
    __table_args__ = CHANGE_ENDS

    name: Mapped[str] = mapped_column(primary_key=True)  # server name: host[:port]
    url: Mapped[str]  # client and administration API as Guichet calls it, without a path
    base_url: Mapped[str | None]  # for Matrix clients, if it is another one: behind a proxy
    federation_url: Mapped[str | None]
    ca_pem: Mapped[str | None]  # its private certificate authority, if it has one
    # For tests: certificates are not checked. The default is for nodes of versions without this.
    insecure: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Of the version before, which wants it written: what counts is class_source.
    _guests: Mapped[bool] = mapped_column(
        "guests", default=lambda row: row.get_current_parameters()["class_source"] == GUEST
    )
    label: Mapped[str]  # the name people read
    connector: Mapped[str]  # none, synapse
    registration_secret: Mapped[str | None]
    admin_token: Mapped[str | None]
    user_id_scheme: Mapped[str]  # domain_rules.user_ids.Scheme
    class_source: Mapped[str]  # GUEST, agent, by_person
    client_url: Mapped[str | None]  # these two: templates of identity.client_links
    phone_url: Mapped[str | None]
    created_at: Mapped[datetime]
    # What operators have stopped, see standing.py.
    held_at: Mapped[datetime | None]
    held_until: Mapped[datetime | None]  # null: until it is released
    suspended_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]

    @property
    def clients_url(self) -> str:
        """The base URL that Matrix clients use, without a path."""
        return self.base_url or self.url

    @property
    def is_for_guests(self) -> bool:
        """Whether all its people are guests."""
        return self.class_source == GUEST

    def set_guests_for_older_versions(self) -> None:
        """Write the column that the version before reads, after a change of class_source."""
        self._guests = self.is_for_guests

    @property
    def makes_accounts(self) -> bool:
        """Whether Guichet makes accounts there; else people register in their client."""
        return self.connector == "synapse"


def find(session: Session, name: str) -> Homeserver | None:
    """The homeserver with this server name, or None."""
    return session.get(Homeserver, name)


def find_these(session: Session, names: Collection[str]) -> Sequence[Homeserver]:
    """Those of these homeservers that are registered."""
    return session.scalars(select(Homeserver).where(Homeserver.name.in_(names))).all()


def find_all(session: Session) -> list[Homeserver]:
    """All homeservers, sorted by name."""
    return list(session.scalars(select(Homeserver).order_by(Homeserver.name)))
