"""Signs an agent in to their bulk invites by a code mailed to a verified address of theirs."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from domain_rules.addresses import EmailAddress
from domain_rules.rules import RuleSet
from identity.accounts import known_people, session_models
from identity.accounts.sessions import BULK_INVITES
from identity.core.one_time_codes import models as stored_codes
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

from . import sign_in_models
from .sign_in_models import BulkInviteSignIn

# From when its mail may be sent. The code has its own, shorter time, which starts when it is sent.
LIFETIME = timedelta(hours=1)


def request_code(
    session: Session,
    now: datetime,
    *,
    address: EmailAddress,
    language: str,
    asked: BulkInviteSignIn | None = None,
    device: str = "",
) -> BulkInviteSignIn:
    """Order the mail with a code, for a new request or the one that this browser has (`asked`).

    That one is reused also if its code was used already: nobody else may see whether it was.
    Whether the address is an agent's, and so whether a mail is sent, only the worker finds out.
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
    code_mails.order_for(
        session,
        now,
        asked,
        template=Template.LIST_CODE,
        address=asked.address,
        language=language,
        had_at=had_at,
        lifetime=LIFETIME,
        tell_sooner=sign_in_models.record_moved_mail,
    )
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
    networks: CallerNetworks = NO_NETWORKS,
) -> tuple[CodeAnswer, str | None]:
    """Try a code in the browser that requested it. The user ID is returned if it is right, once.

    The mailbox is told of the use. A repeated submission, as by a double click, gets the first
    answer.
    """
    if was_just_used(session, tokens, now, subject=asked.address, browser=str(asked.id), code=code):
        return _answer_right_code(session, rules, asked.address)
    if not is_open(asked, now):
        return CodeAnswer(Result.OVER), None
    typed = TypedCode(code, networks=networks, browser=str(asked.id))
    answer = spend(session, tokens, now, Purpose.LISTS, typed, address=asked.address)
    if answer.result is not Result.RIGHT:
        return answer, None
    if not was_just_used(
        session, tokens, now, subject=asked.address, browser=str(asked.id), code=code
    ):
        return CodeAnswer(Result.OVER, is_used=True), None  # before, by this same browser
    answer, user_id = _answer_right_code(session, rules, asked.address)
    if user_id is not None:
        sign_in_models.mark_used(session, asked, now, user_id)
        _order_code_used_mail(session, now, asked, language)
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
    """Try a code behind the mailed link, in whatever browser, otherwise like `type_code`.

    The request of the browser that asked for the mail stays as it was.
    """
    if was_just_used(session, tokens, now, subject=asked.address, browser=browser, code=code):
        return _answer_right_code(session, rules, asked.address)
    if now >= asked.expires_at:
        return CodeAnswer(Result.OVER), None
    typed = TypedCode(code, held=True, browser=browser)
    answer = spend(session, tokens, now, Purpose.LISTS, typed, address=asked.address)
    if answer.result is not Result.RIGHT:
        return answer, None
    if not was_just_used(session, tokens, now, subject=asked.address, browser=browser, code=code):
        return CodeAnswer(Result.OVER, is_used=True), None
    answer, user_id = _answer_right_code(session, rules, asked.address)
    if user_id is not None:
        opened = _add_used_request(session, now, asked.address, user_id=user_id, device=device)
        _order_code_used_mail(session, now, opened, language)
    return answer, user_id


def find_elsewhere(
    session: Session, now: datetime, asked: BulkInviteSignIn
) -> Sequence[BulkInviteSignIn]:
    """The other browsers that requested a code for this address, newest first."""
    return sign_in_models.find_elsewhere(
        session, asked.address, but=asked.id, now=now, limit=MAX_ELSEWHERE
    )


def sign_out_everywhere(
    session: Session, tokens: Tokens, now: datetime, used: BulkInviteSignIn, code: str
) -> CodeAnswer:
    """“It was not me”: with the mail's code, end all sessions for bulk invites by this address."""
    # The mail about the use has no code of its own: the used code is still valid for this.
    typed = TypedCode(code, held=True, since=min(now, used.created_at))
    answer = spend(session, tokens, now, Purpose.LISTS, typed, address=used.address)
    if answer.result is Result.RIGHT:
        # First, and under its lock: submitting the used code again must not sign in once more.
        stored_codes.end_used_codes(session, Purpose.LISTS, used.address)
        session_models.end_at(session, now, address=used.address, purpose=BULK_INVITES)
    return answer


def _add_used_request(
    session: Session, now: datetime, address: str, *, user_id: str, device: str
) -> BulkInviteSignIn:
    """A used request for the browser behind the link, so that mails and pages can name it."""
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


def _order_code_used_mail(
    session: Session, now: datetime, used: BulkInviteSignIn, language: str
) -> None:
    mails.order(
        session,
        now,
        template=Template.CODE_USED,
        address=used.address,
        language=language,
        subject_id=used.id,
    )


def _answer_right_code(
    session: Session, rules: RuleSet, address: str
) -> tuple[CodeAnswer, str | None]:
    user_id = known_people.agent_of(session, rules, address)
    if user_id is None:
        return CodeAnswer(Result.OVER, is_used=True), None
    return CodeAnswer(Result.RIGHT), user_id


def is_open(asked: BulkInviteSignIn, now: datetime) -> bool:
    """Whether a code can still be typed for it."""
    return asked.used_at is None and now < asked.expires_at
