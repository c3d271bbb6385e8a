"""A Matrix client wants an address proved: a code is mailed, and who hands it in within a day has proved it."""

import hashlib
import hmac
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core.one_time_codes.limits import DAY, HOUR
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import CodeAnswer, Result, Typed, spend
from identity.core.sealing import Vault
from identity.core.tokens import Tokens
from identity.homeservers import models as homeservers
from identity.mail import models as mails
from identity.mail.models import Template
from identity.mail.quota import QUOTAS, first_free, longest

from . import validation_sessions
from .validation_sessions import ValidationSession

WINDOW = timedelta(hours=24)  # to prove the address, and again to use the proof
SECRET = re.compile(r"[0-9a-zA-Z.=_-]{1,255}")
SID = re.compile(r"[0-9a-f]{32}")
MAX_SESSIONS = 30  # a day, by one account
# Of one account to one mailbox; all accounts together have wider bounds (mail/quota.py).
OWN_QUOTAS = QUOTAS
PACE = ((1, timedelta(minutes=1)),)
MAX_LINK = 2000  # characters
PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Wanted:
    """What a client asks for. `device`: what it says it runs on; the page shows it to the person."""

    address: EmailAddress
    client_secret: str
    send_attempt: int
    user_id: str
    device: str
    language: str
    next_link: str | None = None


def check_secret(client_secret: str) -> str:
    """The secret, if it is written as the specification wants. Raises WrongParameter."""
    if not SECRET.fullmatch(client_secret):
        raise problems.WrongParameter(
            "client_secret has other characters than 0-9a-zA-Z.=_-, or too many."
        )
    return client_secret


def check_next_link(session: Session, link: str, *, hosts: Collection[str]) -> str:
    """The link, if it leads to a messenger of the federation or to one of `hosts`. Raises WrongParameter."""
    clients = {urlsplit(each.client_url or "").hostname for each in homeservers.every(session)}
    if len(link) > MAX_LINK or not PRINTABLE.fullmatch(link) or "\\" in link:
        raise problems.WrongParameter("next_link is not a URL.")
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        raise problems.WrongParameter("next_link is not a URL.") from None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or not host:
        raise problems.WrongParameter("next_link is not an http(s) URL.")
    if host not in clients | set(hosts):
        raise problems.WrongParameter("next_link leads to a host that is not known here.")
    return link


def request(session: Session, vault: Vault, now: datetime, wanted: Wanted) -> ValidationSession:
    """Open a session, or go on with the one of this client, and order the mail if it asks for a further one.

    What others did may delay the mail, and then the session stands as much longer; nobody is refused for
    it. A client cannot be told when the mail leaves. Raises TooManyMails: this account has asked too much.
    """
    mails.lock_address(session, wanted.address.canonical)
    asked = validation_sessions.latest_of(
        session,
        address=wanted.address.canonical,
        secret_hash=_hash(wanted.client_secret),
        user_id=wanted.user_id,
    )
    is_open = asked is not None and not is_over(asked, now)
    if asked is not None and is_open and wanted.send_attempt <= asked.send_attempt:
        return asked
    if asked is not None and is_open and validation_sessions.has_waiting_mail(session, asked, now):
        asked.send_attempt, asked.next_link = wanted.send_attempt, wanted.next_link
        return asked  # the mail that waits brings the code
    own = _own_times(session, now, wanted.user_id, wanted.address.canonical)
    opens_at = now if is_open else _may_open_at(session, now, wanted.user_id)
    again_at = max(first_free([(own, OWN_QUOTAS)], now), opens_at)
    if again_at > now:
        raise problems.TooManyMails(math.ceil((again_at - now).total_seconds()))
    if asked is None or not is_open:
        asked = _open(session, vault, now, wanted)
    asked.send_attempt, asked.next_link = wanted.send_attempt, wanted.next_link
    asked.language, asked.asked_at = wanted.language, now
    mails.order(
        session,
        now,
        template=Template.CLIENT_VERIFY,
        address=asked.address,
        language=asked.language,
        subject_id=asked.id,
        due_at=_leaves_at(session, now, asked.address, own),
    )
    session.flush()
    session.refresh(asked)
    return asked


def find(session: Session, *, sid: str, client_secret: str) -> ValidationSession:
    """Raises NoValidSession: unknown sid and wrong secret cannot be told apart."""
    found = validation_sessions.find(session, UUID(sid)) if SID.fullmatch(sid) else None
    expected = found.secret_hash if found else ""
    if not hmac.compare_digest(expected, _hash(client_secret)) or found is None:
        raise problems.NoValidSession
    return found


def validated(
    session: Session, now: datetime, *, sid: str, client_secret: str
) -> tuple[ValidationSession, datetime]:
    """The session, if its proof was given and still counts, and when.

    Raises NoValidSession, SessionExpired, SessionNotValidated.
    """
    found = find(session, sid=sid, client_secret=client_secret)
    if is_over(found, now):
        raise problems.SessionExpired
    if found.validated_at is None:
        raise problems.SessionNotValidated
    return found, found.validated_at


def by_link(session: Session, session_id: UUID) -> ValidationSession | None:
    """The session a mailed link is about."""
    return validation_sessions.find(session, session_id)


def is_over(asked: ValidationSession, now: datetime) -> bool:
    """Whether its day has ended: counted from the creation, and from the proof once that is given."""
    return now >= ends_at(asked)


def ends_at(asked: ValidationSession) -> datetime:
    """Further mails lengthen nothing, unless one had to wait: it has its day too."""
    if asked.validated_at is not None:
        return asked.validated_at + WINDOW
    return max(asked.created_at, asked.waited_until or asked.created_at) + WINDOW


def type_code(
    session: Session, tokens: Tokens, now: datetime, asked: ValidationSession, code: str
) -> CodeAnswer:
    """Try a code, handed in by the client or typed on the link's page: they share the tries.

    The client shows its sid and secret, the page has the mailed link: the session's code has its five
    tries, and no other limit.
    """
    if is_over(asked, now):
        return CodeAnswer(Result.OVER)
    typed = Typed(code, held=True, browser=asked.sid)
    answer = spend(
        session, tokens, now, Purpose.CLIENT, typed, address=asked.address, subject=asked.sid
    )
    if answer.result is Result.RIGHT:
        validation_sessions.validate(session, asked, now)
    if answer.result is Result.OVER:  # its mail is still on its way: no code can be right
        return CodeAnswer(Result.WRONG)
    if answer.result is Result.OFF:
        own = _own_times(session, now, asked.user_id, asked.address)
        return CodeAnswer(Result.OFF, mail_at=first_free([(own, OWN_QUOTAS)], now))
    return answer


def onward(asked: ValidationSession) -> str | None:
    """Where the person goes on after the proof: the link of the session, never of a query."""
    if asked.next_link is None:
        return None
    parts = urlsplit(asked.next_link)
    query = "&".join(filter(None, (parts.query, urlencode({"sid": asked.sid}))))
    return urlunsplit(parts._replace(query=query))


def _own_times(session: Session, now: datetime, user_id: str, address: str) -> list[datetime]:
    """When mails leave, or left, that this account has asked for to this mailbox."""
    if not session.info.get("limited", True):
        return []
    mailbox, since = mails.mailbox_of(address), now - longest([OWN_QUOTAS])
    return validation_sessions.mail_times(session, user_id, mailbox, since)


def _leaves_at(session: Session, now: datetime, address: str, own: list[datetime]) -> datetime:
    """The first moment by what all accounts may send to the mailbox; one mail an hour is kept for each of them."""
    at = mails.bounded_at(session, now, address, Template.CLIENT_VERIFY)
    earliest = max(now, own[-1] + HOUR) if own else now
    kept = mails.may_go_at(session, earliest, address, (Template.CLIENT_VERIFY,), PACE)
    return min(at, kept)


def _may_open_at(session: Session, now: datetime, user_id: str) -> datetime:
    """One account does not send codes to everybody."""
    times = validation_sessions.opened_times(session, user_id, now - DAY)
    if not session.info.get("limited", True) or len(times) < MAX_SESSIONS:
        return now
    return times[-MAX_SESSIONS] + DAY


def _open(session: Session, vault: Vault, now: datetime, wanted: Wanted) -> ValidationSession:
    asked = ValidationSession(
        address=wanted.address.canonical,
        secret_hash=_hash(wanted.client_secret),
        sealed_secret=vault.seal(wanted.client_secret),
        user_id=wanted.user_id,
        device=wanted.device,
        language=wanted.language,
        send_attempt=wanted.send_attempt,
        created_at=now,
        asked_at=now,
    )
    session.add(asked)
    session.flush()
    return asked


def _hash(client_secret: str) -> str:
    return hashlib.sha256(b"guichet client secret:" + client_secret.encode()).hexdigest()
