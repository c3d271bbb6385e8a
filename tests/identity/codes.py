"""The code that a mail carries, as only its reader knows it."""

from sqlalchemy.orm import Session

from identity.storage import one_time_codes as store
from identity.storage.one_time_codes import Purpose
from identity.tokens import Tokens
from identity.use_cases import one_time_codes


def mailed(session: Session, tokens: Tokens, purpose: Purpose, subject: str) -> str:
    """The digits of the newest mail of this purpose."""
    code = store.newest(session, purpose, subject)
    assert code is not None, f"no mail with a code for {purpose} has left"
    return one_time_codes.digits(tokens, code)


def wrong(code: str) -> str:
    """One that is not it, as long as it is."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"
