"""Who wants to send lists proves an agent's address anew: a code is mailed to it, and typed where it was asked for."""

import uuid
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.accounts import known_people
from identity.accounts import session_models as people_sessions
from identity.accounts.sessions import LISTS
from identity.core.one_time_codes import models as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import (
    NOWHERE,
    CodeAnswer,
    Place,
    Result,
    Typed,
    has_just_used,
    spend,
)
from identity.core.tokens import Tokens
from identity.mail import code_mails
from identity.mail import models as mails
from identity.mail.code_mails import MAX_ELSEWHERE
from identity.mail.models import Template

from . import sign_in_models as sign_ins
from .sign_in_models import BulkInviteSignIn

# From when its mail may leave: the code has its own, shorter time from when it does leave, and the relay may be late.
LIFETIME = timedelta(hours=1)


def ask(
    session: Session,
    now: datetime,
    *,
    address: EmailAddress,
    language: str,
    asked: BulkInviteSignIn | None = None,
    device: str = "",
) -> BulkInviteSignIn:
    """Open a request, or go on with the one this browser has (`asked`), and order the mail with its code.

    The one it has goes on also if it was used: nobody else may see by that it was.
    Whether the address is an agent's, and so whether a mail leaves, the worker finds out.
    """
    mails.lock_address(session, address.canonical)
    had_at = asked.mail_at if asked and asked.address == address.canonical else None
    if asked is None or asked.address != address.canonical or now >= asked.expires_at:
        asked = BulkInviteSignIn(
            id=uuid.uuid4(),
            address=address.canonical,
            device=device,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        session.add(asked)
        session.flush()
    asked.used_at = asked.user_id = None
    ordered = code_mails.order(
        session,
        now,
        template=Template.LIST_CODE,
        address=asked.address,
        subject_id=asked.id,
        language=language,
        had_at=had_at,
        tell_sooner=sign_ins.mail_comes_sooner,
    )
    asked.mail_at = ordered.leaves_at
    asked.expires_at = max(asked.expires_at, ordered.leaves_at + LIFETIME)
    session.flush()
    return asked


def type_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    asked: BulkInviteSignIn,
    code: str,
    *,
    rules: RuleSet,
    language: str,
    place: Place = NOWHERE,
) -> tuple[CodeAnswer, str | None]:
    """Try a code where it was asked for. If it is right, the user ID whose lists may be seen; that works once.

    The mailbox is told. Sent twice, as by a double click, it is answered as the first time.
    """
    if has_just_used(session, tokens, now, subject=asked.address, browser=str(asked.id), code=code):
        return _opened(session, rules, asked.address)
    if not is_open(asked, now):
        return CodeAnswer(Result.OVER), None
    typed = Typed(code, place=place, browser=str(asked.id))
    answer = spend(session, tokens, now, Purpose.LISTS, typed, address=asked.address)
    if answer.result is not Result.RIGHT:
        return answer, None
    if not has_just_used(
        session, tokens, now, subject=asked.address, browser=str(asked.id), code=code
    ):
        return CodeAnswer(Result.OVER, is_used=True), None  # before, by this very browser
    answer, user_id = _opened(session, rules, asked.address)
    if user_id is not None:
        sign_ins.use(session, asked, now, user_id)
        _tell_used(session, now, asked, language)
    return answer, user_id


def type_code_of_link(
    session: Session,
    tokens: Tokens,
    now: datetime,
    asked: BulkInviteSignIn,
    code: str,
    *,
    rules: RuleSet,
    browser: str,
    language: str,
    device: str = "",
) -> tuple[CodeAnswer, str | None]:
    """Try a code behind the mailed link, in whatever browser (its name): as `type_code`.

    Who asked for the mail sees nothing of it: their request stands as it stood.
    """
    if has_just_used(session, tokens, now, subject=asked.address, browser=browser, code=code):
        return _opened(session, rules, asked.address)
    if now >= asked.expires_at:
        return CodeAnswer(Result.OVER), None
    typed = Typed(code, held=True, browser=browser)
    answer = spend(session, tokens, now, Purpose.LISTS, typed, address=asked.address)
    if answer.result is not Result.RIGHT:
        return answer, None
    if not has_just_used(session, tokens, now, subject=asked.address, browser=browser, code=code):
        return CodeAnswer(Result.OVER, is_used=True), None
    answer, user_id = _opened(session, rules, asked.address)
    if user_id is not None:
        opened = _opened_here(session, now, asked.address, user_id=user_id, device=device)
        _tell_used(session, now, opened, language)
    return answer, user_id


def elsewhere(session: Session, now: datetime, asked: BulkInviteSignIn) -> list[BulkInviteSignIn]:
    """The other browsers in which this address was typed, newest first: page and mail name them."""
    return sign_ins.asked_elsewhere(
        session, asked.address, but=asked.id, now=now, limit=MAX_ELSEWHERE
    )


def end_all(
    session: Session, tokens: Tokens, now: datetime, used: BulkInviteSignIn, code: str
) -> CodeAnswer:
    """“It was not me”: with the code of the mail, whoever is signed in to lists by this address is signed out."""
    # The mail that tells of a use brings no code of its own: that of the used mail is still good for this.
    typed = Typed(code, held=True, since=min(now, used.created_at))
    answer = spend(session, tokens, now, Purpose.LISTS, typed, address=used.address)
    if answer.result is Result.RIGHT:
        # First, and under its lock: who sends the used code a second time is not let in again.
        one_time_codes.end_used(session, Purpose.LISTS, used.address)
        people_sessions.end_at(session, now, address=used.address, purpose=LISTS)
    return answer


def _opened_here(
    session: Session, now: datetime, address: str, *, user_id: str, device: str
) -> BulkInviteSignIn:
    """What the browser behind the link has opened: nothing waits there, it is kept to be told of."""
    opened = BulkInviteSignIn(
        id=uuid.uuid4(),
        address=address,
        user_id=user_id,
        device=device,
        created_at=now,
        expires_at=now,
        used_at=now,
    )
    session.add(opened)
    session.flush()
    return opened


def _tell_used(session: Session, now: datetime, used: BulkInviteSignIn, language: str) -> None:
    mails.order(
        session,
        now,
        template=Template.CODE_USED,
        address=used.address,
        language=language,
        subject_id=used.id,
    )


def _opened(session: Session, rules: RuleSet, address: str) -> tuple[CodeAnswer, str | None]:
    user_id = known_people.agent_of(session, rules, address)
    if user_id is None:
        return CodeAnswer(Result.OVER, is_used=True), None
    return CodeAnswer(Result.RIGHT), user_id


def is_open(asked: BulkInviteSignIn, now: datetime) -> bool:
    """Whether a code can still open it."""
    return asked.used_at is None and now < asked.expires_at
