"""The field for a mailed code, the same on every page that has one."""

from datetime import datetime
from typing import Final

from flask import request
from markupsafe import Markup

from domain_rules.addresses import EmailAddress
from identity.core.one_time_codes.service import CodeAnswer, Result
from identity.core.tokens import is_whole_code, typed_digits

from .rendering import Fault
from .request_context import services
from .wording import clock, counted, text

# What the page says above the field after another was pressed.
SENT: Final = "sent"
WAITING: Final = "waiting"
TOO_LATE: Final = "too_late"
OLD_DIGITS: Final = 6  # of codes mailed by earlier versions


def unfinished_code() -> list[Fault]:
    """The fault to show if the field holds no complete code; none if it does.

    An incomplete code does not count as a try, so that a mail scanner that presses every button
    uses up no tries.
    """
    typed = request.form.get("code", "")
    if is_whole_code(typed):
        return []
    is_old = len(typed_digits(typed) or "") == OLD_DIGITS
    return [Fault("code", text("code.six" if is_old else "code.incomplete"))]


def is_mail_held(address: str, mail_at: datetime) -> bool:
    """Whether a mail with a code that was to leave then waits: operators have frozen mails."""
    domain = EmailAddress.stored(address).ascii_domain
    frozen = services.freezes.current().of_mail(domain)
    return frozen is not None and mail_at >= frozen.since


def code_faults(answered: CodeAnswer, *, held: bool = False) -> list[Fault]:
    """The fault to show after a code that was not right. `held`: on the page of the mailed link."""
    match answered:
        case CodeAnswer(result=Result.WRONG):
            said = counted("code.wrong", answered.tries_left)
        case CodeAnswer(result=Result.OFF):
            said = text("code.off_held" if held else "code.off")
        case CodeAnswer(is_used=True):
            said = text("code.used") + " " + _next_mail(answered.mail_at)
        case CodeAnswer(ended_at=datetime() as ended):
            said = text("code.ended", time=clock(ended)) + " " + _next_mail(answered.mail_at)
        case CodeAnswer(mail_at=datetime() as later) if later > services.now():
            said = text("code.none_until", time=clock(later))
        case _:
            said = text("code.none_yet")
    return [Fault("code", said)]


def _next_mail(mail_at: datetime | None) -> Markup:
    """The sentence that says where the next code comes from."""
    if mail_at is None:
        return text("code.ask")
    if mail_at <= services.now():
        return text("code.mailed")
    return text("code.mailed_later", time=clock(mail_at))
