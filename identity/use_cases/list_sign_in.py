"""Who wants to send lists proves an agent's address anew: a code is mailed to it, and typed where it was asked for."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.storage import list_sign_ins, mails
from identity.storage.list_sign_ins import ListSignIn
from identity.storage.mails import Template
from identity.storage.one_time_codes import Purpose
from identity.tokens import Tokens

from . import code_mails, known_people
from .one_time_codes import LIFETIMES, NOWHERE, CodeAnswer, Place, Result, Typed, spend

LIFETIME = LIFETIMES[Purpose.LISTS]


def ask(
    session: Session,
    now: datetime,
    *,
    address: EmailAddress,
    language: str,
    asked: ListSignIn | None = None,
    device: str = "",
) -> ListSignIn:
    """Open a request, or go on with the one this browser has (`asked`), and order the mail with its code.

    Whether the address is an agent's, and so whether a mail leaves, the worker finds out.
    """
    mails.lock_address(session, address.canonical)
    had_one = asked is not None and asked.address == address.canonical
    if asked is None or not had_one or not is_open(asked, now):
        asked = ListSignIn(
            id=uuid.uuid4(),
            address=address.canonical,
            device=device,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        session.add(asked)
        session.flush()
    ordered = code_mails.order(
        session,
        now,
        template=Template.LIST_CODE,
        address=asked.address,
        subject_id=asked.id,
        language=language,
        had_one=had_one,
    )
    asked.mail_at = ordered.leaves_at
    asked.expires_at = max(asked.expires_at, ordered.leaves_at + LIFETIME)
    session.flush()
    return asked


def type_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    asked: ListSignIn,
    code: str,
    *,
    rules: RuleSet,
    place: Place = NOWHERE,
    held: bool = False,
) -> CodeAnswer:
    """Try a code. If it is right, `asked.user_id` says whose lists may be seen; that works once.

    `held`: typed behind the mailed link.
    """
    if not is_open(asked, now):
        return CodeAnswer(Result.OVER)
    typed = Typed(code, place=place, held=held, browser=str(asked.id))
    answer = spend(session, tokens, now, Purpose.LISTS, typed, address=asked.address)
    if answer.result is not Result.RIGHT:
        return answer
    user_id = known_people.agent_of(session, rules, asked.address)
    if user_id is None or not list_sign_ins.use(session, asked, now, user_id):
        return CodeAnswer(Result.OVER, is_used=True)
    session.refresh(asked)
    return answer


def is_open(asked: ListSignIn, now: datetime) -> bool:
    """Whether a code can still open it."""
    return asked.used_at is None and now < asked.expires_at
