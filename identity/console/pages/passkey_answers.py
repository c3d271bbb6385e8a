"""What browsers answer with a passkey, for all screens that take one in place of a code."""

from typing import Final

from flask import request

from identity.operators import models as operators, sessions
from identity.operators.passkeys import models as passkeys, service as trying
from identity.operators.passkeys.challenges import Asked
from identity.operators.passkeys.models import Ceremony
from identity.operators.passkeys.service import Answer, Tried
from identity.operators.passkeys.site import Site, offered_at
from identity.operators.sessions import SignedIn
from identity.web import session_cookies, wording
from identity.web.request_context import services
from identity.web.wording import text

from . import operator_session

FIELD: Final = "passkey"
"""The field with the answer; the script fills it."""
COOKIE: Final = "passkey"


def site() -> Site | None:
    """The site that passkeys are made for; None: none are offered here."""
    return offered_at(services.settings.console_origin, services.settings.service_name)


def browser() -> str:
    """The token of this browser's cookie, or a new one. Two tabs share it."""
    return session_cookies.read_token(COOKIE) or operators.new_token()


def asked(ceremony: Ceremony, token: str) -> Asked:
    """Who is given a challenge, or answers it. `token`: of this browser."""
    who = operator_session.signed_in()
    is_in = who is not None and ceremony is not Ceremony.SIGN_IN
    return Asked(token, ceremony, who.session_id if who is not None and is_in else None)


def has_one() -> bool:
    """Whether the operator of this session has a passkey that can be used here."""
    who = operator_session.signed_in()
    here = site()
    if who is None or here is None:
        return False
    with services.database.reading() as database:
        return bool(passkeys.find_fitting(database, who.operator_id, here.rp_id))


def prove_again() -> Tried:
    """Whether the operator of this session proves with a passkey that it is them; it is recorded."""
    who = operator_session.signed_in()
    return trying.WRONG if who is None else _try(Ceremony.AGAIN, who)


def sign_in() -> Tried:
    """Who signs in with a passkey."""
    return _try(Ceremony.SIGN_IN, None)


def fault_of(tried: Tried) -> str:
    """The sentence about a passkey that was not right."""
    if tried.answer is Answer.LOCKED and tried.locked_until:
        return text("console.factor.locked", time=wording.clock(tried.locked_until))
    return text("console.passkey.wrong")


def _try(ceremony: Ceremony, who: SignedIn | None) -> Tried:
    """Try the answer in the form. `who`: whose session is proved by it; None: nobody's yet."""
    here, token = site(), session_cookies.read_token(COOKIE)
    if here is None or token is None:
        return trying.WRONG
    with services.database.transaction() as database:
        now = services.now()
        tried = trying.try_answer(
            database,
            now,
            here,
            asked(ceremony, token),
            sent=request.form.get(FIELD, ""),
            operator_id=who.operator_id if who else None,
        )
        if tried.is_right and who is not None:
            sessions.record_proof(database, now, who.session_id)
    return tried
