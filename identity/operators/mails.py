"""Writes the mails to operators: the code to sign in, the invitation, and what concerns their access."""

from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session

from identity.accounts import coded_mails
from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail.composing import Frame, compose
from identity.mail.kinds import Fate, MailKind, MailTurn, NoLongerWanted
from identity.mail.models import Mail

from . import links, models, sign_in, sign_in_models
from .models import Operator
from .notices import OperatorNotice, What
from .roles import Role
from .sign_in_models import OperatorSignIn


def decide_code(turn: MailTurn) -> Fate:
    """A code is sent only to an operator who may come in, while a browser waits for it."""

    def is_wanted() -> bool:
        operator = models.find_by_mail(turn.session, turn.mail.address)
        may_come_in = operator is not None and operator.signs_in_by_mail
        return may_come_in and sign_in_models.has_open(turn.session, turn.mail.address, turn.now)

    return coded_mails.decide(turn, Purpose.OPERATORS, is_wanted=is_wanted)


def compose_code(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The code that comes before the second factor. `decide_code` decided before."""
    session, mail, now = turn.session, turn.mail, turn.now
    asked = session.get(OperatorSignIn, mail.subject_id)
    if asked is None:
        raise NoLongerWanted
    code = one_time_codes.issue_for_mail(session, turn.tokens, now, Purpose.OPERATORS, mail.address)
    others = sign_in.find_elsewhere(session, now, asked)
    return compose(
        "operator_code",
        frame,
        code=one_time_codes.digits_of(turn.tokens, code),
        link=f"{turn.settings.console_origin}/v/{turn.tokens.link(asked.id, 'operators')}",
        requested_at=mail.created_at,
        code_expires_at=code.alive_until,
        device=asked.device,
        others=tuple((each.device, each.created_at) for each in others),
    )


def compose_invite(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The link that lets a new operator in once. Raises NoLongerWanted once it was used or ended."""
    link = links.find_invitation(turn.session, turn.now, turn.mail.subject_id)
    operator = models.find(turn.session, link.operator_id) if link else None
    if link is None or operator is None or not operator.may_come_in:
        raise NoLongerWanted
    return compose(
        "operator_invite",
        frame,
        by=operator.created_by,
        roles=[str(role) for role in Role if role in operator.role_set],
        link=f"{turn.settings.console_origin}/v/{turn.tokens.link(link.id, 'operator_invite')}",
        later_link=f"{_console_url(turn)}/sign-in",
        ends_at=link.ends_at,
    )


def compose_notice(turn: MailTurn, frame: Frame) -> EmailMessage:
    """What was done to an operator's access, or happened to it."""
    notice = turn.session.get(OperatorNotice, turn.mail.subject_id)
    if notice is None:
        raise NoLongerWanted
    about = models.find(turn.session, notice.operator_id) if notice.operator_id else None
    return compose(
        "operator_notice",
        frame,
        what=notice.what,
        name=about.name if about else notice.author,
        author=notice.author,
        why=notice.reason,
        detail=notice.detail,
        at=notice.at,
        ends_at=notice.ends_at,
        link=f"{_console_url(turn)}/{_screen(turn.mail, notice, about)}",
    )


def _screen(mail: Mail, notice: OperatorNotice, about: Operator | None) -> str:
    """Where what was told is seen, and undone."""
    if notice.what == What.STOPPED:
        return "incidents"
    return "me" if _is_to(mail, about) else "access"


def tell_late(session: Session, mail: Mail, was: datetime) -> None:
    """The pages of those who wait say when the mail leaves."""
    sign_in_models.record_moved_mail(session, mail.address, was=was, is_now=mail.goes_at)


CODE = MailKind(compose=compose_code, decide=decide_code, on_late=tell_late, is_for_operators=True)
INVITE = MailKind(compose=compose_invite, is_for_operators=True)
NOTICE = MailKind(compose=compose_notice, is_for_operators=True)


def _console_url(turn: MailTurn) -> str:
    return f"{turn.settings.console_origin}/admin"


def _is_to(mail: Mail, operator: Operator | None) -> bool:
    return operator is not None and mail.address == operator.mail
