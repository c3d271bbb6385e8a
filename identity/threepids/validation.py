"""Validation of addresses for Matrix clients: a mailed code, to be submitted within a day."""

import hashlib
import hmac
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID, uuid4

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from domain_rules.addresses import EmailAddress
from identity import problems
from identity.core import inserting, outbox
from identity.core.database import limits_count
from identity.core.one_time_codes.limits import DAY, HOUR
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import CodeAnswer, Result, TypedCode, spend
from identity.core.sealing import Vault
from identity.core.tokens import Tokens
from identity.freezes import service as freezes
from identity.homeservers import models as homeservers
from identity.mail import models as mails
from identity.mail.quota import BOUNDS, QUOTAS, Template, first_free_moment, longest_window

from . import validation_sessions
from .validation_sessions import Beginning, ValidationSession

WINDOW = timedelta(hours=24)  # to validate the address, and again to use the session
SECRET = re.compile(r"[0-9a-zA-Z.=_-]{1,255}")
SID = re.compile(r"[0-9a-f]{32}")
MAX_SESSIONS = 30  # opened by one account in a day
# For one account and one mailbox; all accounts together have wider limits (mail/quota.py).
OWN_QUOTAS = QUOTAS
PACE = ((1, timedelta(minutes=1)),)  # one mail a minute
MAX_LINK = 2000  # characters
PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Wanted:
    """A client's request. `device`: the client's family, which the page shows to the person."""

    address: EmailAddress
    client_secret: str
    send_attempt: int
    user_id: str
    device: str
    language: str
    next_link: str | None = None


def check_secret(client_secret: str) -> str:
    """The client_secret, if it has the specified form. Raises WrongParameter."""
    if not SECRET.fullmatch(client_secret):
        raise problems.WrongParameter(
            "client_secret has other characters than 0-9a-zA-Z.=_-, or too many."
        )
    return client_secret


def check_next_link(session: Session, link: str, *, hosts: Collection[str]) -> str:
    """The next_link, if it leads to a homeserver's client or to one of `hosts`.

    Raises WrongParameter.
    """
    clients = {urlsplit(each.client_url or "").hostname for each in homeservers.find_all(session)}
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


def request_validation(
    session: Session, vault: Vault, now: datetime, wanted: Wanted
) -> ValidationSession:
    """Open a session or continue this client's, and order a mail if `send_attempt` is higher.

    Mails that other accounts caused may delay this one, never refuse it; the session then lasts
    longer by the delay. The API has no way to say when the mail leaves.
    Raises TooManyMails if this account has reached its limit, and MailsFrozen.
    """
    opened = _new(vault, now, wanted)  # before the lock: others wait for it
    mails.lock_address(session, opened.address)
    known = validation_sessions.find_beginning(
        session,
        now,
        address=wanted.address,
        secret_hash=opened.secret_hash,
        user_id=wanted.user_id,
        most=MAX_SESSIONS,
    )
    freezes.refuse_mail(known.freezes, wanted.address)
    going_on = known.latest if known.latest and not is_over(known.latest, now) else None
    if going_on and wanted.send_attempt <= going_on.send_attempt:
        return going_on
    if going_on:
        opened = going_on
        opened.send_attempt, opened.next_link = wanted.send_attempt, wanted.next_link
        if known.is_waiting:
            return opened  # the mail that waits brings the code
        opened.language, opened.asked_at = wanted.language, now
    leaves_at = now
    if limits_count(session):
        _check_own_limits(now, known, is_new=going_on is None)
        leaves_at = _leaves_at(now, known)
    mail, job = mails.new(
        now,
        template=Template.CLIENT_VERIFY,
        address=opened.address,
        language=opened.language,
        subject_id=opened.id,
        due_at=leaves_at,
    )
    if leaves_at > now:
        set_committed_value(opened, "waited_until", leaves_at)
    inserting.insert_together(session, *(() if going_on else (opened,)), mail, job)
    outbox.wake(session, mails.LANES[Template.CLIENT_VERIFY])
    return opened


def find(session: Session, *, sid: str, client_secret: str) -> ValidationSession:
    """The session. Raises NoValidSession, both for an unknown sid and for a wrong secret."""
    found = validation_sessions.find(session, UUID(sid)) if SID.fullmatch(sid) else None
    expected = found.secret_hash if found else ""
    if not hmac.compare_digest(expected, _hash(client_secret)) or found is None:
        raise problems.NoValidSession
    return found


def find_validated(
    session: Session, now: datetime, *, sid: str, client_secret: str
) -> tuple[ValidationSession, datetime]:
    """The session and when its address was validated, if it has not expired.

    Raises NoValidSession, SessionExpired, SessionNotValidated.
    """
    found = find(session, sid=sid, client_secret=client_secret)
    if is_over(found, now):
        raise problems.SessionExpired
    if found.validated_at is None:
        raise problems.SessionNotValidated
    return found, found.validated_at


def is_over(opened: ValidationSession, now: datetime) -> bool:
    """Whether the session has expired, see `ends_at`."""
    return now >= ends_at(opened)


def ends_at(opened: ValidationSession) -> datetime:
    """A day after the validation, else after the creation or the last mail that had to wait.

    Other mails do not extend a session.
    """
    if opened.validated_at is not None:
        return opened.validated_at + WINDOW
    return max(opened.created_at, opened.waited_until or opened.created_at) + WINDOW


def try_code(
    session: Session, tokens: Tokens, now: datetime, opened: ValidationSession, code: str
) -> CodeAnswer:
    """Try a code, submitted by the client or typed on the mailed link's page; they share the tries.

    Both are authenticated, the client by sid and secret, the page by the link, so the code's five
    tries are the only limit.
    """
    if is_over(opened, now):
        return CodeAnswer(Result.OVER)
    typed = TypedCode(code, held=True, browser=opened.sid)
    answer = spend(
        session, tokens, now, Purpose.CLIENT, typed, address=opened.address, subject=opened.sid
    )
    if answer.result is Result.RIGHT:
        validation_sessions.mark_validated(session, opened, now)
    if answer.result is Result.OVER:  # its mail is still on its way: no code can be right
        return CodeAnswer(Result.WRONG)
    if answer.result is Result.OFF:
        own = _own_times(session, now, opened.user_id, opened.address)
        return CodeAnswer(Result.OFF, mail_at=first_free_moment([(own, OWN_QUOTAS)], now))
    return answer


def next_url_of(opened: ValidationSession) -> str | None:
    """The URL to go on to after the validation: the session's next_link with the sid."""
    if opened.next_link is None:
        return None
    parts = urlsplit(opened.next_link)
    query = "&".join(filter(None, (parts.query, urlencode({"sid": opened.sid}))))
    return urlunsplit(parts._replace(query=query))


def _own_times(session: Session, now: datetime, user_id: str, address: str) -> list[datetime]:
    """When mails to this mailbox that this account requested left or will leave."""
    if not limits_count(session):
        return []
    mailbox, since = mails.mailbox_of(address), now - longest_window([OWN_QUOTAS])
    return validation_sessions.mail_times(session, user_id, mailbox, since)


def _check_own_limits(now: datetime, known: Beginning, *, is_new: bool) -> None:
    """Raises TooManyMails. `is_new`: it would be another session, see MAX_SESSIONS."""
    again_at = first_free_moment([(known.own, OWN_QUOTAS)], now)
    if is_new and known.full_since is not None:
        again_at = max(again_at, known.full_since + DAY)
    if again_at > now:
        raise problems.TooManyMails(math.ceil((again_at - now).total_seconds()))


def _leaves_at(now: datetime, known: Beginning) -> datetime:
    """When the mail leaves by the limits of all accounts; one an hour is reserved for each."""
    bounds = [(known.sent, each.quotas) for each in BOUNDS[Template.CLIENT_VERIFY]]
    earliest = max(now, known.own[-1] + HOUR) if known.own else now
    return min(first_free_moment(bounds, now), first_free_moment([(known.sent, PACE)], earliest))


def _new(vault: Vault, now: datetime, wanted: Wanted) -> ValidationSession:
    opened = ValidationSession(
        id=uuid4(),
        address=wanted.address.canonical,
        secret_hash=_hash(wanted.client_secret),
        sealed_secret=vault.seal(wanted.client_secret),
        user_id=wanted.user_id,
        device=wanted.device,
        language=wanted.language,
        send_attempt=wanted.send_attempt,
        next_link=wanted.next_link,
        created_at=now,
        asked_at=now,
    )
    set_committed_value(opened, "waited_until", None)
    return opened


def _hash(client_secret: str) -> str:
    return hashlib.sha256(b"guichet client secret:" + client_secret.encode()).hexdigest()
