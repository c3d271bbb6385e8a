"""The code that a mail carries, as only its reader knows it."""

from sqlalchemy.orm import Session

from identity.core.one_time_codes import models as store, service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.core.tokens import Tokens


def mailed(session: Session, tokens: Tokens, purpose: Purpose, subject: str) -> str:
    """The digits of the newest mail of this purpose."""
    code = store.find_newest(session, purpose, subject)
    assert code is not None, f"no mail with a code for {purpose} has left"
    return one_time_codes.digits_of(tokens, code)


def wrong(code: str) -> str:
    """One that is not it, as long as it is."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"
