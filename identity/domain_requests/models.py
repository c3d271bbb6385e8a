"""Requests for domains, who asked for them, what was said, and what a look into the DNS found."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    UniqueConstraint,
    cast,
    func,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from identity.core.database import Base
from identity.core.personal_data import ADDRESS, RECORD, TEXT


class RequestState(StrEnum):
    """Where a request stands."""

    OPEN = "open"  # nobody has decided
    ASKED = "asked"  # operators asked a question back
    ACCEPTED = "accepted"  # a change of rules opens it, and is not in force yet
    OPENED = "opened"
    REDIRECTED = "redirected"  # its people use the domain of which it was made a sibling
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"  # by all who asked
    EXPIRED = "expired"  # nobody decided for 180 days


class Refusal(StrEnum):
    """Why a domain is not opened. The mail says it in a sentence."""

    NOT_OURS = "not_ours"  # the service is not meant for this organisation
    ANYBODY = "anybody"  # anybody can get an address there
    UNKNOWN_OWNER = "unknown_owner"  # who runs the domain could not be confirmed
    OTHER_DOMAIN = "other_domain"  # the organisation uses another domain
    NOT_READY = "not_ready"  # the organisation has not decided to join
    LOOK_ALIKE = "look_alike"  # it can be mistaken for another domain


MAX_NUMBER: Final = 2**31 - 1  # the column holds no greater one
UNDECIDED: Final = (RequestState.OPEN, RequestState.ASKED)
PENDING: Final = (*UNDECIDED, RequestState.ACCEPTED)
DECIDED: Final = (
    *(RequestState.OPENED, RequestState.REDIRECTED, RequestState.REFUSED),
    *(RequestState.WITHDRAWN, RequestState.EXPIRED),
)


class DomainRequest(Base):
    """Somebody wants a domain opened. People call it D-`number`."""

    __tablename__ = "domain_requests"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    number: Mapped[int] = mapped_column(unique=True)
    domain: Mapped[str]  # A-label
    owner: Mapped[str]  # its registrable domain, by which requests are grouped
    state: Mapped[str]
    people: Mapped[int] = mapped_column(default=0, server_default="0")  # who asked
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    later_until: Mapped[datetime | None]  # operators look at it again then
    merged_into: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("domain_requests.id"), index=True
    )
    # The most similar open domain, and where its people are: whose operators see the request.
    near: Mapped[str] = mapped_column(default="", server_default="")
    near_homeserver: Mapped[str] = mapped_column(default="", server_default="")
    near_organisation: Mapped[str] = mapped_column(default="", server_default="", info=RECORD)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON, info=TEXT)  # see evidence.py
    evidence_at: Mapped[datetime | None]
    change_id: Mapped[uuid.UUID | None] = mapped_column(index=True)  # which opens it
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(info=RECORD)
    refusal: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="", server_default="", info=RECORD)  # of a refusal
    closed_until: Mapped[datetime | None]  # refused for so long: nobody can ask again before

    @property
    def label(self) -> str:
        """`D-173`."""
        return f"D-{self.number}"


Index(
    "uq_domain_requests_pending",
    DomainRequest.domain,
    unique=True,
    postgresql_where=DomainRequest.state.in_(PENDING),
    sqlite_where=DomainRequest.state.in_(PENDING),
)
Index("ix_domain_requests_state", DomainRequest.state, DomainRequest.created_at, DomainRequest.id)
Index("ix_domain_requests_people", DomainRequest.state, DomainRequest.people, DomainRequest.id)
Index("ix_domain_requests_domain", DomainRequest.domain, DomainRequest.created_at)
Index("ix_domain_requests_owner", DomainRequest.owner, DomainRequest.state)


class DomainRequester(Base):
    """One mailbox that asked, with what its owner said. It was proved by a mailed code."""

    __tablename__ = "domain_requesters"
    __table_args__ = (UniqueConstraint("request_id", "mailbox"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("domain_requests.id"), index=True)
    address: Mapped[str] = mapped_column(info=ADDRESS)
    mailbox: Mapped[str] = mapped_column(info=ADDRESS)
    organisation: Mapped[str] = mapped_column(info=TEXT)
    position: Mapped[str] = mapped_column(info=TEXT)  # what they do there
    site: Mapped[str] = mapped_column(info=TEXT)
    size: Mapped[str]  # how many people, a value of `Size`
    phone: Mapped[str] = mapped_column(info=TEXT)
    it_contact: Mapped[str] = mapped_column(info=TEXT)
    language: Mapped[str]
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]  # when the mail about the decision was ordered


Index("ix_domain_requesters_address", DomainRequester.address)
Index("ix_domain_requesters_mailbox", DomainRequester.mailbox, DomainRequester.created_at)


class Size(StrEnum):
    """How many people would use the domain."""

    UNDER_10 = "under_10"
    UNDER_100 = "under_100"
    UNDER_1000 = "under_1000"
    MORE = "more"


class DomainMessage(Base):
    """A question of operators, or an answer of somebody who asked for the domain."""

    __tablename__ = "domain_messages"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    request_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("domain_requests.id"), index=True)
    requester_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("domain_requesters.id"))
    author: Mapped[str] = mapped_column(info=RECORD)  # the operator; empty: a requester
    text: Mapped[str] = mapped_column(info=TEXT)
    at: Mapped[datetime]


class DomainProof(Base):
    """The TXT record by which somebody shows that they run the domain, and what was found of it.

    One for each request.
    """

    __tablename__ = "domain_proofs"

    request_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("domain_requests.id"), primary_key=True
    )
    value: Mapped[str]  # of the record; it is public once it is published
    begun_at: Mapped[datetime]
    next_at: Mapped[datetime | None]  # null: looked for no more
    looked_at: Mapped[datetime | None]
    result: Mapped[str] = mapped_column(default="", server_default="")  # see proofs.Result
    found: Mapped[list[str]] = mapped_column(JSON, info=TEXT)
    server: Mapped[str] = mapped_column(default="", server_default="")
    seen_at: Mapped[datetime | None]  # when it was found first


class DomainAsking(Base):
    """One browser wants to prove a mailbox by a code, to ask for its domain or to read its status.

    Until then no request exists. Once the code was right, it is the session of that browser.
    """

    __tablename__ = "domain_askings"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    address: Mapped[str] = mapped_column(info=ADDRESS)
    device: Mapped[str] = mapped_column(default="", server_default="")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    mail_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    token_hash: Mapped[str | None] = mapped_column(unique=True)
    ends_at: Mapped[datetime | None]  # of the session


Index("ix_domain_askings_address", DomainAsking.address, DomainAsking.created_at)
Index("ix_domain_askings_created", DomainAsking.created_at)


def find(session: Session, number: int) -> DomainRequest | None:
    """The request D-`number`."""
    if number > MAX_NUMBER:
        return None
    return session.scalar(select(DomainRequest).where(DomainRequest.number == number))


def find_by_id(session: Session, request_id: uuid.UUID) -> DomainRequest | None:
    return session.get(DomainRequest, request_id)


def lock(session: Session) -> None:
    """One transaction at a time makes or decides requests. SQLite's writers are alone anyway."""
    if session.get_bind().dialect.name == "postgresql":
        key = cast(func.hashtext("domain requests"), BigInteger)
        session.execute(select(func.pg_advisory_xact_lock(key)))


def next_number(session: Session) -> int:
    """The number for a new request; call it under `lock`."""
    return (session.scalar(select(func.max(DomainRequest.number))) or 0) + 1


def find_pending(session: Session, domain: str) -> DomainRequest | None:
    """The request for a domain (A-label) that is not ended; there is one at most."""
    return session.scalar(
        select(DomainRequest).where(
            DomainRequest.domain == domain, DomainRequest.state.in_(PENDING)
        )
    )


def find_most_wanted(session: Session, owner: str) -> DomainRequest | None:
    """The request for a domain of this owner that most people wait for."""
    return session.scalar(
        select(DomainRequest)
        .where(DomainRequest.owner == owner, DomainRequest.state.in_(UNDECIDED))
        .order_by(DomainRequest.people.desc(), DomainRequest.number)
        .limit(1)
    )


def find_newest(session: Session, domain: str) -> DomainRequest | None:
    """The newest request for a domain, ended or not."""
    return session.scalar(
        select(DomainRequest)
        .where(DomainRequest.domain == domain)
        .order_by(DomainRequest.created_at.desc(), DomainRequest.number.desc())
        .limit(1)
    )


def find_closed(session: Session, domain: str, now: datetime) -> DomainRequest | None:
    """The refusal because of which nobody can ask for this domain now."""
    return session.scalar(
        select(DomainRequest)
        .where(DomainRequest.domain == domain, DomainRequest.closed_until > now)
        .limit(1)
    )


def find_merged(session: Session, request: DomainRequest) -> Sequence[DomainRequest]:
    """The requests that are decided together with this one."""
    return session.scalars(
        select(DomainRequest)
        .where(DomainRequest.merged_into == request.id)
        .order_by(DomainRequest.number)
    ).all()


def find_leader(session: Session, request: DomainRequest) -> DomainRequest | None:
    """The request with which this one is decided; None once that one waits no more."""
    leader = find_by_id(session, request.merged_into) if request.merged_into else None
    return leader if leader and leader.state in UNDECIDED else None


def find_by_change(session: Session, change_id: uuid.UUID) -> Sequence[DomainRequest]:
    """The accepted requests that this change opens."""
    return session.scalars(
        select(DomainRequest).where(
            DomainRequest.change_id == change_id, DomainRequest.state == RequestState.ACCEPTED
        )
    ).all()


def find_pending_for(session: Session, domains: Collection[str]) -> Sequence[DomainRequest]:
    """The requests for these domains (A-labels) that are not ended."""
    if not domains:
        return []
    return session.scalars(
        select(DomainRequest).where(
            DomainRequest.domain.in_(domains), DomainRequest.state.in_(PENDING)
        )
    ).all()


def find_related(
    session: Session, request: DomainRequest, *, limit: int = 20
) -> Sequence[DomainRequest]:
    """Other requests for domains of the same registrable owner, or merged into this one; newest first."""
    same = (DomainRequest.owner == request.owner) | (DomainRequest.merged_into == request.id)
    return session.scalars(
        select(DomainRequest)
        .where(same, DomainRequest.id != request.id)
        .order_by(DomainRequest.created_at.desc())
        .limit(limit)
    ).all()


def find_requesters(
    session: Session, request_id: uuid.UUID, *, limit: int | None = None
) -> Sequence[DomainRequester]:
    """Who asked, the first one first; those who withdrew are among them."""
    return session.scalars(
        select(DomainRequester)
        .where(DomainRequester.request_id == request_id)
        .order_by(DomainRequester.created_at, DomainRequester.id)
        .limit(limit)
    ).all()


def find_requester(session: Session, requester_id: uuid.UUID) -> DomainRequester | None:
    return session.get(DomainRequester, requester_id)


def find_own(session: Session, request_id: uuid.UUID, mailbox: str) -> DomainRequester | None:
    """What this mailbox said about a request."""
    return session.scalar(
        select(DomainRequester).where(
            DomainRequester.request_id == request_id, DomainRequester.mailbox == mailbox
        )
    )


def find_messages(session: Session, request_id: uuid.UUID) -> Sequence[DomainMessage]:
    """Questions and answers, oldest first."""
    return session.scalars(
        select(DomainMessage)
        .where(DomainMessage.request_id == request_id)
        .order_by(DomainMessage.at, DomainMessage.id)
    ).all()


def find_newest_message(session: Session, request_id: uuid.UUID) -> DomainMessage | None:
    """The newest question or answer."""
    return session.scalar(
        select(DomainMessage)
        .where(DomainMessage.request_id == request_id)
        .order_by(DomainMessage.at.desc(), DomainMessage.id)
        .limit(1)
    )


def find_proof(session: Session, request_id: uuid.UUID) -> DomainProof | None:
    return session.get(DomainProof, request_id)
