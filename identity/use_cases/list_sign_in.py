"""Who wants to send lists proves an agent's address anew: a code is mailed to it, and typed where it was asked for."""

import math
import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.problems import TooManyMails
from identity.storage import associations, list_sign_ins, mails
from identity.storage.list_sign_ins import ListSignIn
from identity.storage.mails import QUOTAS, Template
from identity.storage.proved_addresses import ProvedAddress
from identity.tokens import Tokens

from . import inviters
from .codes import TRIES, CodeAnswer, Result

LIFETIME = timedelta(minutes=15)
DAY = timedelta(days=1)


def ask(
    session: Session, rules: RuleSet, now: datetime, *, address: EmailAddress, language: str
) -> ListSignIn:
    """Open a request; its code is mailed only to an agent. Whoever asks sees no difference. Raises TooManyMails."""
    mails.lock_address(session, address.canonical)
    _check_limits(session, now, address.canonical)
    made = ListSignIn(
        id=uuid.uuid4(),
        address=address.canonical,
        user_id=_agent_of(session, rules, address.canonical),
        created_at=now,
        expires_at=now + LIFETIME,
        tries_left=TRIES,
    )
    session.add(made)
    session.flush()
    if made.user_id is not None:
        mails.order(
            session,
            now,
            template=Template.LIST_CODE,
            address=made.address,
            language=language,
            subject_id=made.id,
        )
    return made


def type_code(
    session: Session, tokens: Tokens, now: datetime, asked: ListSignIn, code: str
) -> CodeAnswer:
    """Try a code; right, it is used up."""
    if asked.used_at is not None or now >= asked.expires_at:
        return CodeAnswer(Result.OVER)
    left = list_sign_ins.spend_try(session, asked)
    if left is None:
        return CodeAnswer(Result.LOCKED)
    is_right = tokens.is_code(code, asked.id, 1)
    if is_right and asked.user_id is not None:
        won = list_sign_ins.use(session, asked, now)
        return CodeAnswer(Result.RIGHT if won else Result.OVER)
    return CodeAnswer(Result.WRONG if left else Result.LOCKED, tries_left=left)


def is_mailable(asked: ListSignIn, now: datetime) -> bool:
    """Whether its mail is still of use when it is about to leave."""
    return asked.user_id is not None and asked.used_at is None and now < asked.expires_at


def _check_limits(session: Session, now: datetime, address: str) -> None:
    if not session.info.get("limited", True):
        return
    times = list_sign_ins.asked_times(session, address, now - DAY)
    for count, window in QUOTAS:
        recent = [time for time in times if time > now - window]
        if len(recent) >= count:
            wait = recent[count - 1] + window - now
            raise TooManyMails(max(1, math.ceil(wait.total_seconds())))


def _agent_of(session: Session, rules: RuleSet, address: str) -> str | None:
    """The agent's account this address was proved for."""
    bound = associations.of_address(session, address)
    proved = session.scalars(
        select(ProvedAddress.user_id)
        .where(ProvedAddress.address == address)
        .order_by(ProvedAddress.proved_at.desc())
    )
    candidates = [*([bound.user_id] if bound else []), *proved]
    return next((each for each in candidates if inviters.may_invite(session, rules, each)), None)
