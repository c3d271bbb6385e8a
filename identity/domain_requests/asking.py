"""Proves a mailbox by a mailed code, before anything about a request is stored or shown.

Whether the domain is open, or was asked for, changes nothing in what happens until the code is typed.
"""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity.core import rows
from identity.core.one_time_codes.limits import NO_NETWORKS, CallerNetworks
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import (
    CodeAnswer,
    Result,
    TypedCode,
    spend,
    was_just_used,
)
from identity.core.tokens import Tokens
from identity.mail import code_mails, models as mails
from identity.mail.code_mails import MAX_ELSEWHERE
from identity.mail.quota import Template

from .models import DomainAsking

LIFETIME: Final = timedelta(hours=24)  # of a request for a code, from when its mail leaves
SESSION: Final = timedelta(hours=4)  # then the code of another mail is needed


def request_code(
    session: Session,
    now: datetime,
    *,
    address: EmailAddress,
    language: str,
    asked: DomainAsking | None = None,
    device: str = "",
) -> DomainAsking:
    """Order the mail with a code, for a new asking or the one that this browser has (`asked`)."""
    mails.lock_address(session, address.canonical)
    is_same = asked is not None and asked.address == address.canonical
    had_at = asked.mail_at if asked is not None and is_same else None
    if asked is None or not is_same or asked.used_at is not None or now >= asked.expires_at:
        asked = DomainAsking(
            id=uuid.uuid4(),
            address=address.canonical,
            device=device,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        session.add(asked)
        session.flush()
    code_mails.order_for(
        session,
        now,
        asked,
        template=Template.DOMAIN_CODE,
        address=asked.address,
        language=language,
        had_at=had_at,
        lifetime=LIFETIME,
        tell_sooner=record_moved_mail,
    )
    return asked


def type_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    asked: DomainAsking,
    code: str,
    *,
    networks: CallerNetworks = NO_NETWORKS,
) -> tuple[CodeAnswer, str | None]:
    """Try a code in the browser that asked for it. Right: the token of its session.

    The same form sent twice, as by a double click, gets a session both times.
    """
    browser = str(asked.id)
    if was_just_used(session, tokens, now, subject=asked.address, browser=browser, code=code):
        return CodeAnswer(Result.RIGHT), _open_session(session, now, asked)
    if asked.used_at is not None or now >= asked.expires_at:
        return CodeAnswer(Result.OVER), None
    typed = TypedCode(code, networks=networks, browser=browser)
    answer = spend(session, tokens, now, Purpose.DOMAIN, typed, address=asked.address)
    token = _open_session(session, now, asked) if answer.result is Result.RIGHT else None
    return answer, token


def type_code_of_link(
    session: Session,
    tokens: Tokens,
    now: datetime,
    asked: DomainAsking,
    code: str,
    *,
    browser: str,
    device: str = "",
) -> tuple[CodeAnswer, str | None]:
    """Try a code behind the mailed link, in whatever browser: it has tries of its own there.

    The asking of the browser that ordered the mail stays as it was.
    """
    if not was_just_used(session, tokens, now, subject=asked.address, browser=browser, code=code):
        if now >= asked.expires_at:
            return CodeAnswer(Result.OVER), None
        typed = TypedCode(code, held=True, browser=browser)
        answer = spend(session, tokens, now, Purpose.DOMAIN, typed, address=asked.address)
        if answer.result is not Result.RIGHT:
            return answer, None
    here = DomainAsking(
        id=uuid.uuid4(), address=asked.address, device=device, created_at=now, expires_at=now
    )
    session.add(here)
    session.flush()
    return CodeAnswer(Result.RIGHT), _open_session(session, now, here)


def find(session: Session, asking_id: uuid.UUID) -> DomainAsking | None:
    return session.get(DomainAsking, asking_id)


def find_signed_in(session: Session, now: datetime, token: str) -> DomainAsking | None:
    """The asking whose session has this token, unless it has ended."""
    found = session.scalar(select(DomainAsking).where(DomainAsking.token_hash == _hash(token)))
    return found if found and found.ends_at and now < found.ends_at else None


def end_session(session: Session, now: datetime, asked: DomainAsking) -> None:
    """The browser needs the code of another mail from now on."""
    asked.ends_at = now
    session.flush()


def find_elsewhere(session: Session, now: datetime, asked: DomainAsking) -> Sequence[DomainAsking]:
    """The other browsers that want a code for this address, newest first; used ones are included."""
    return session.scalars(
        select(DomainAsking)
        .where(
            DomainAsking.address == asked.address,
            DomainAsking.id != asked.id,
            DomainAsking.expires_at > now,
        )
        .order_by(DomainAsking.created_at.desc(), DomainAsking.id)
        .limit(MAX_ELSEWHERE)
    ).all()


def is_waited_for(session: Session, now: datetime, address: str) -> bool:
    """Whether a browser waits for a code for this address."""
    return rows.is_any(
        session,
        DomainAsking.address == address,
        DomainAsking.used_at.is_(None),
        DomainAsking.expires_at > now,
    )


def record_moved_mail(session: Session, address: str, *, was: datetime, is_now: datetime) -> None:
    """The mail due at `was` is now due at `is_now`: update all askings that wait for it."""
    session.execute(
        update(DomainAsking)
        .where(DomainAsking.address == address, DomainAsking.mail_at == was)
        .values(mail_at=is_now)
        .execution_options(synchronize_session="fetch")
    )


def forget(session: Session, before: datetime, *, limit: int) -> int:
    """Delete those that were made before then, and have ended. Returns how many."""
    old = (DomainAsking.created_at < before) & (DomainAsking.expires_at < before)
    return rows.delete(session, DomainAsking, old, limit=limit)


def _open_session(session: Session, now: datetime, asked: DomainAsking) -> str:
    token = secrets.token_urlsafe(32)
    asked.used_at = asked.used_at or now
    asked.token_hash, asked.ends_at = _hash(token), now + SESSION
    session.flush()
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(b"guichet domain session:" + token.encode()).hexdigest()
