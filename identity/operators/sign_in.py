"""Signs an operator in by a code mailed to their address, before the second factor is asked.

Whoever types an address is answered the same; only the worker looks whether it is an operator's.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

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

from . import models, notices, sign_in_models
from .models import Operator
from .notices import What
from .sign_in_models import OperatorSignIn

LIFETIME: Final = timedelta(hours=1)
"""From when its mail may be sent. The code has its own, shorter time, from when it is sent."""


def request_code(
    session: Session,
    now: datetime,
    *,
    mail: str,
    language: str,
    asked: OperatorSignIn | None = None,
    device: str = "",
) -> OperatorSignIn:
    """Order the mail with a code to a canonical address.

    `asked`: the request that this browser has, which is used again for the same address.
    """
    mails.lock_address(session, mail)
    had_at = asked.mail_at if asked and asked.mail == mail else None
    if asked is None or asked.mail != mail or now >= asked.expires_at:
        asked = OperatorSignIn(
            id=uuid.uuid4(), mail=mail, device=device, created_at=now, expires_at=now + LIFETIME
        )
        session.add(asked)
        session.flush()
    asked.used_at = None
    code_mails.order_for(
        session,
        now,
        asked,
        template=Template.OPERATOR_CODE,
        address=mail,
        language=language,
        had_at=had_at,
        lifetime=LIFETIME,
        tell_sooner=sign_in_models.record_moved_mail,
    )
    return asked


def next_mail_at(session: Session, now: datetime, asked: OperatorSignIn) -> datetime:
    """From when this browser may ask for another mail that leaves at once."""
    return code_mails.next_moment(
        session, now, asked, template=Template.OPERATOR_CODE, address=asked.mail
    )


def type_code(
    session: Session,
    tokens: Tokens,
    now: datetime,
    asked: OperatorSignIn,
    code: str,
    *,
    networks: CallerNetworks = NO_NETWORKS,
) -> tuple[CodeAnswer, Operator | None]:
    """Try a code in the browser that requested it; the operator, if it is right.

    The mailbox is told of the use. A repeated submission, as by a double click, gets the first
    answer.
    """
    typed = TypedCode(code, networks=networks, browser=str(asked.id))
    if _is_repeated(session, tokens, now, asked.mail, typed):
        return _answer_right_code(session, asked.mail)
    if asked.used_at is not None or now >= asked.expires_at:
        return CodeAnswer(Result.OVER), None
    answer = spend(session, tokens, now, Purpose.OPERATORS, typed, address=asked.mail)
    if answer.result is not Result.RIGHT:
        return answer, None
    if not _is_repeated(session, tokens, now, asked.mail, typed):
        return CodeAnswer(Result.OVER, is_used=True), None  # before, by this same browser
    answer, operator = _answer_right_code(session, asked.mail)
    if operator is not None:
        sign_in_models.mark_used(session, asked, now)
        notices.tell(session, now, operator, What.CODE_USED, detail=asked.device)
    return answer, operator


def type_code_of_link(
    session: Session,
    tokens: Tokens,
    now: datetime,
    asked: OperatorSignIn,
    code: str,
    *,
    browser: str,
    device: str = "",
) -> tuple[CodeAnswer, Operator | None]:
    """Try a code behind the mailed link, in whatever browser, otherwise like `type_code`.

    The request of the browser that asked for the mail stays as it was.
    """
    typed = TypedCode(code, held=True, browser=browser)
    if _is_repeated(session, tokens, now, asked.mail, typed):
        return _answer_right_code(session, asked.mail)
    if now >= asked.expires_at:
        return CodeAnswer(Result.OVER), None
    answer = spend(session, tokens, now, Purpose.OPERATORS, typed, address=asked.mail)
    if answer.result is not Result.RIGHT:
        return answer, None
    if not _is_repeated(session, tokens, now, asked.mail, typed):
        return CodeAnswer(Result.OVER, is_used=True), None
    answer, operator = _answer_right_code(session, asked.mail)
    if operator is not None:
        notices.tell(session, now, operator, What.CODE_USED, detail=device)
    return answer, operator


def find_elsewhere(
    session: Session, now: datetime, asked: OperatorSignIn
) -> Sequence[OperatorSignIn]:
    """The other browsers that requested a code for this address, newest first."""
    return sign_in_models.find_elsewhere(session, asked, now=now, limit=MAX_ELSEWHERE)


def _is_repeated(
    session: Session, tokens: Tokens, now: datetime, mail: str, typed: TypedCode
) -> bool:
    browser = typed.browser or ""
    return was_just_used(session, tokens, now, subject=mail, browser=browser, code=typed.code)


def _answer_right_code(session: Session, mail: str) -> tuple[CodeAnswer, Operator | None]:
    """The operator may have been disabled since the mail left."""
    operator = models.find_by_mail(session, mail)
    if operator is None or not operator.signs_in_by_mail:
        return CodeAnswer(Result.OVER, is_used=True), None
    return CodeAnswer(Result.RIGHT), operator
