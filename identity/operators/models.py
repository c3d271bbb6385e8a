"""The tables of operators: who they are, their sessions, second factors, links and API tokens.

Tokens are stored as hashes: 256 random bits need no slow one.
"""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import JSON, ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base
from identity.core.personal_data import ADDRESS, RECORD
from identity.core.sealed_columns import SEALED

from .roles import Role, Scope

TOKEN_BYTES: Final = 32


class Source(StrEnum):
    """Where an operator comes from."""

    LOCAL = "local"  # invited by mail
    SSO = "sso"  # known by an OpenID provider
    EMBEDDED = "embedded"  # of the trial installation on one machine


class Operator(Base):
    """One operator. `name` is unique: the journal knows them by it."""

    __tablename__ = "operators"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    mail: Mapped[str | None] = mapped_column(unique=True, info=ADDRESS)  # null: embedded
    name: Mapped[str] = mapped_column(unique=True, info=RECORD)
    language: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(JSON)
    organisations: Mapped[list[str]] = mapped_column(JSON)
    homeservers: Mapped[list[str]] = mapped_column(JSON)
    source: Mapped[str]
    issuer: Mapped[str | None]
    subject: Mapped[str | None]  # at the issuer
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(info=RECORD)  # the name of who invited or raised them
    changed_by: Mapped[str] = mapped_column(info=RECORD)  # who changed roles or a factor last
    changed_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    # After a backup was loaded, until an admin says that they still belong here.
    unconfirmed_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    wrong_factors: Mapped[int] = mapped_column(default=0)  # in a row
    locks: Mapped[int] = mapped_column(default=0)  # each is twice as long as the one before
    locked_until: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    @property
    def role_set(self) -> frozenset[Role]:
        """The roles that this version knows."""
        return frozenset(Role(each) for each in self.roles if each in set(Role))

    @property
    def scope(self) -> Scope:
        """What they look after."""
        return Scope(frozenset(self.organisations), frozenset(self.homeservers))

    @property
    def may_come_in(self) -> bool:
        """Whether they are neither disabled nor to be confirmed after a restore."""
        return self.disabled_at is None and self.unconfirmed_at is None

    @property
    def needs_second_factor(self) -> bool:
        """Everybody but the operator of a trial installation."""
        return self.source != Source.EMBEDDED

    @property
    def signs_in_by_mail(self) -> bool:
        """Whether a code in their mailbox lets them in. Who has roles from a provider asks that."""
        return self.source != Source.SSO and self.may_come_in


Index("uq_operators_subject", Operator.issuer, Operator.subject, unique=True)


class OperatorSession(Base):
    """One browser of an operator."""

    __tablename__ = "operator_sessions"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    proved_at: Mapped[datetime | None]  # when the second factor was last right; null: not yet
    device: Mapped[str]  # the browser's family; may be empty
    network: Mapped[str]  # its /24 or /56
    ended_at: Mapped[datetime | None]
    id_token: Mapped[str | None] = mapped_column(info=SEALED)  # of the OpenID provider, to sign out


class OperatorFactor(Base):
    """The secret of an authenticator app (RFC 6238). One for each operator."""

    __tablename__ = "operator_factors"

    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(info=SEALED)
    made_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]  # when a first code was right
    last_counter: Mapped[int] = mapped_column(default=0)  # a code is taken once
    session_id: Mapped[uuid.UUID | None]  # of the browser that was shown the secret


class RecoveryCode(Base):
    """One code for when the app is lost, used once."""

    __tablename__ = "operator_recovery_codes"

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LinkKind(StrEnum):
    """What a link that is used once does."""

    SIGN_IN = "sign_in"  # made by the shell, or by `make run`
    INVITE = "invite"  # mailed


class OperatorLink(Base):
    """A link that lets an operator in once."""

    __tablename__ = "operator_links"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    kind: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    made_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AdminToken(Base):
    """A bearer token of a program that calls the admin API."""

    __tablename__ = "admin_tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id"), index=True)
    name: Mapped[str] = mapped_column(unique=True, info=RECORD)
    token_hash: Mapped[str] = mapped_column(unique=True)
    roles: Mapped[list[str]] = mapped_column(JSON)
    organisations: Mapped[list[str]] = mapped_column(JSON)
    homeservers: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    used_at: Mapped[datetime | None]  # last; at most one write a minute
    ended_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]  # when its end was announced by mail


def find(session: Session, operator_id: uuid.UUID) -> Operator | None:
    return session.get(Operator, operator_id)


def lock(session: Session, operator: Operator) -> None:
    """Read the operator anew and keep others from changing them until the transaction ends.

    Rows that name the operator, as a session or a notice, can be added meanwhile: else who holds the
    journal and tells of a deed would wait for who holds the operator and waits for the journal.
    """
    session.flush()  # else what the caller has changed would be undone
    session.refresh(operator, with_for_update={"key_share": True})


def find_by_mail(session: Session, mail: str) -> Operator | None:
    """The operator with this canonical address, disabled or not."""
    return session.scalar(select(Operator).where(Operator.mail == mail))


def find_by_name(session: Session, name: str) -> Operator | None:
    return session.scalar(select(Operator).where(Operator.name == name))


def find_all(session: Session) -> Sequence[Operator]:
    """All operators, disabled ones too, by name."""
    return session.scalars(select(Operator).order_by(Operator.name)).all()


def count_approvers(session: Session, *, in_trial: bool) -> int:
    """How many may approve; that of a trial installation counts only as long as it is one."""
    found = find_enabled(session, Role.APPROVER)
    return sum(in_trial or each.needs_second_factor for each in found)


def find_enabled(session: Session, role: Role) -> list[Operator]:
    """Those with this role itself who may sign in, by name. There are few operators."""
    asked = select(Operator).where(Operator.disabled_at.is_(None)).order_by(Operator.name)
    return [each for each in session.scalars(asked) if role in each.role_set]


def count(session: Session) -> int:
    """How many operators there are, disabled ones too."""
    return session.scalar(select(func.count()).select_from(Operator)) or 0


def new_token(prefix: str = "") -> str:
    """A random token of 256 bits."""
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    """What is stored of a token: SHA-256 in hexadecimal digits."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
