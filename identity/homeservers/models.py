"""Homeservers of the federation: where they are, and how Guichet makes accounts there."""

from datetime import datetime

from sqlalchemy import false, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base


class Homeserver(Base):
    """One registered homeserver. Its secrets are sealed to the worker (homeservers/secrets.py)."""

    __tablename__ = "homeservers"

    name: Mapped[str] = mapped_column(primary_key=True)  # server name: host[:port]
    url: Mapped[str]  # client and administration API, without a path
    federation_url: Mapped[str | None]
    ca_pem: Mapped[str | None]  # its certificate authority, if it is a private one
    # For tests: any certificate is taken. The running version before this column knows nothing of it.
    insecure: Mapped[bool] = mapped_column(default=False, server_default=false())
    guests: Mapped[bool]
    label: Mapped[str]  # what people read
    connector: Mapped[str]  # none, synapse
    registration_secret: Mapped[str | None]
    admin_token: Mapped[str | None]
    user_id_scheme: Mapped[str]  # domain_rules.user_ids.Scheme
    class_source: Mapped[str]  # guest, agent, by_person
    client_url: Mapped[str | None]
    created_at: Mapped[datetime]

    @property
    def makes_accounts(self) -> bool:
        """Whether Guichet makes its accounts; else people do so in their client themselves."""
        return self.connector == "synapse"


def find(session: Session, name: str) -> Homeserver | None:
    return session.get(Homeserver, name)


def every(session: Session) -> list[Homeserver]:
    """All of them, by name."""
    return list(session.scalars(select(Homeserver).order_by(Homeserver.name)))
