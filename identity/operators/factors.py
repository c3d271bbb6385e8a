"""The second factor of operators: codes of an authenticator app (RFC 6238), and recovery codes.

A code of the app is taken once. After five wrong ones in a row the factor is locked: 15 minutes at
first, twice as long each further time, a day at most. The mailbox is never locked.
"""

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import pyotp
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from identity.core import inserting, journal, rows
from identity.core.journal import Actor
from identity.core.sealing import Vault
from identity.core.tokens import typed_digits

from . import models, notices, sessions
from .models import Operator, OperatorFactor, RecoveryCode
from .notices import What
from .passkeys import models as passkeys

STEP: Final = 30  # seconds of one code
DRIFT: Final = 1  # steps that the clock of a telephone may be off
DIGITS: Final = 6
MAX_WRONG: Final = 5
FIRST_LOCK, LONGEST_LOCK = timedelta(minutes=15), timedelta(hours=24)
DOUBLINGS: Final = 7  # from the first lock to beyond the longest
RECOVERY_CODES: Final = 10
RECOVERY_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike
RECOVERY_LENGTH: Final = 12  # letters; 59 bits, behind the mailbox and the lock


class Answer(StrEnum):
    """What became of a typed code."""

    RIGHT = "right"
    RECOVERED = "recovered"  # a recovery code, which is used up now
    WRONG = "wrong"
    LOCKED = "locked"
    UNREADABLE = "unreadable"  # no code at all: it does not count
    OTHER_APP = "other_app"  # not tried: another browser was shown another secret since


@dataclass(frozen=True)
class Tried:
    """`locked_until`: if it is locked, or has become so."""

    answer: Answer
    locked_until: datetime | None = None
    left: int = 0
    """Recovery codes that are left, or wrong tries."""

    @property
    def is_right(self) -> bool:
        return self.answer in {Answer.RIGHT, Answer.RECOVERED}


def has_factor(session: Session, operator_id: uuid.UUID) -> bool:
    """Whether the operator has proved once that their app makes right codes."""
    found = session.get(OperatorFactor, operator_id)
    return found is not None and found.confirmed_at is not None


def begin_enrolment(
    session: Session,
    vault: Vault,
    now: datetime,
    operator_id: uuid.UUID,
    *,
    session_id: uuid.UUID | None = None,
) -> str | None:
    """The secret to show, in base32; None if one is confirmed, which stays: see `reset`.

    Each browser session is shown a secret of its own, and only the newest can be confirmed: whoever
    has seen another one, as with a mail that was not theirs, knows nothing of the app that counts.
    """
    secret = pyotp.random_base32()
    made = {"secret": vault.seal(secret), "made_at": now, "session_id": session_id}
    row = OperatorFactor
    if inserting.insert_if_new(
        session, row, {"operator_id": operator_id, "last_counter": 0} | made
    ):
        return secret
    found = session.get_one(row, operator_id, with_for_update=True, populate_existing=True)
    if found.confirmed_at is not None:
        return None
    if found.session_id == session_id:
        return vault.open(found.secret).get_secret_value()
    rows.update(session, row, row.operator_id == operator_id, last_counter=0, **made)
    session.expire(found)
    return secret


def provisioning_uri(secret: str, *, account: str, issuer: str) -> str:
    """The `otpauth://` URL that apps read from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def confirm_enrolment(
    session: Session,
    vault: Vault,
    now: datetime,
    operator: Operator,
    typed: str,
    *,
    session_id: uuid.UUID | None = None,
) -> tuple[Tried, list[str]]:
    """Try the first code of the secret that this session was shown.

    The recovery codes, to be shown once, if it was right.
    """
    models.lock(session, operator)
    factor = session.get(OperatorFactor, operator.id, populate_existing=True)
    if factor is None or factor.confirmed_at is not None or factor.session_id != session_id:
        return Tried(Answer.OTHER_APP), []
    tried = try_code(session, vault, now, operator, typed)
    if tried.answer is not Answer.RIGHT:
        return tried, []
    factor.confirmed_at = now
    _write(session, now, operator, "operator.enrol")
    return tried, new_recovery_codes(session, now, operator.id)


def new_recovery_codes(session: Session, now: datetime, operator_id: uuid.UUID) -> list[str]:
    """Ten new codes in place of all earlier ones, written in groups of four."""
    rows.delete(session, RecoveryCode, RecoveryCode.operator_id == operator_id)
    made = [_new_code() for _ in range(RECOVERY_CODES)]
    for code in made:
        hashed = _recovery_hash(operator_id, code)
        session.add(RecoveryCode(code_hash=hashed, operator_id=operator_id, made_at=now))
    session.flush()
    return ["-".join(code[start : start + 4] for start in (0, 4, 8)) for code in made]


def try_code(
    session: Session, vault: Vault, now: datetime, operator: Operator, typed: str
) -> Tried:
    """Try what was typed: a code of the app, or a recovery code.

    The operator's row is locked meanwhile, so that tries made at once are counted one by one.
    """
    models.lock(session, operator)
    if operator.locked_until is not None and now < operator.locked_until:
        return Tried(Answer.LOCKED, operator.locked_until)
    digits, letters = typed_digits(typed), _letters(typed)
    if len(digits or "") == DIGITS:
        answer = _try_app(session, vault, now, operator.id, str(digits))
    elif len(letters) == RECOVERY_LENGTH:
        answer = _try_recovery(session, now, operator.id, letters)
    else:
        return Tried(Answer.UNREADABLE)
    if answer is Answer.WRONG:
        return _record_wrong(session, now, operator)
    operator.wrong_factors = operator.locks = 0
    operator.locked_until = None
    session.flush()
    if answer is Answer.RECOVERED:
        notices.tell(session, now, operator, What.RECOVERY_USED)
        _write(session, now, operator, "operator.recovery_code")
    return Tried(answer, left=count_recovery_codes(session, operator.id))


def prove(
    session: Session,
    vault: Vault,
    now: datetime,
    operator: Operator,
    typed: str,
    *,
    session_id: uuid.UUID,
) -> Tried:
    """Try a code in a browser session, which is whole if it is right.

    Of a form that is sent twice at once, as by a double click, the second finds it proved.
    """
    models.lock(session, operator)
    if sessions.is_proved(session, now, session_id):
        return Tried(Answer.RIGHT)
    tried = try_code(session, vault, now, operator, typed)
    if tried.is_right:
        sessions.record_proof(session, now, session_id)
    return tried


def count_recovery_codes(session: Session, operator_id: uuid.UUID) -> int:
    """How many are left."""
    own = (RecoveryCode.operator_id == operator_id) & RecoveryCode.used_at.is_(None)
    return session.scalar(select(func.count()).where(own)) or 0


def unlock(operator: Operator) -> None:
    """Let the next code be tried at once."""
    operator.wrong_factors = operator.locks = 0
    operator.locked_until = None


def reset(session: Session, operator_id: uuid.UUID) -> None:
    """Forget the app, the recovery codes and the passkeys: they enrol anew at their next sign-in.

    Whoever calls has locked the operator, so that no passkey is added meanwhile.
    """
    passkeys.forget_of(session, operator_id)
    rows.delete(session, RecoveryCode, RecoveryCode.operator_id == operator_id)
    rows.delete(session, OperatorFactor, OperatorFactor.operator_id == operator_id)


def _try_app(
    session: Session, vault: Vault, now: datetime, operator_id: uuid.UUID, digits: str
) -> Answer:
    factor = session.get(OperatorFactor, operator_id, populate_existing=True)
    if factor is None:
        return Answer.WRONG
    app = pyotp.TOTP(vault.open(factor.secret).get_secret_value())
    at = int(now.timestamp()) // STEP
    for counter in range(at - DRIFT, at + DRIFT + 1):
        if secrets.compare_digest(app.generate_otp(counter), digits):
            # One statement decides who of two that send the same code at once gets in.
            own = (OperatorFactor.operator_id == operator_id) & (
                OperatorFactor.last_counter < counter
            )
            if rows.update(session, OperatorFactor, own, last_counter=counter):
                return Answer.RIGHT
    return Answer.WRONG


def _try_recovery(session: Session, now: datetime, operator_id: uuid.UUID, letters: str) -> Answer:
    own = RecoveryCode.code_hash == _recovery_hash(operator_id, letters)
    is_used = rows.update(session, RecoveryCode, own, RecoveryCode.used_at.is_(None), used_at=now)
    return Answer.RECOVERED if is_used else Answer.WRONG


def _record_wrong(session: Session, now: datetime, operator: Operator) -> Tried:
    operator.wrong_factors += 1
    if operator.wrong_factors < MAX_WRONG:
        session.flush()
        return Tried(Answer.WRONG, left=MAX_WRONG - operator.wrong_factors)
    # The exponent is bounded as well: after weeks of guessing the power would not fit a duration.
    lasts = min(FIRST_LOCK * 2 ** min(operator.locks, DOUBLINGS), LONGEST_LOCK)
    operator.locked_until = now + lasts
    operator.locks += 1
    operator.wrong_factors = 0
    session.flush()
    notices.tell(session, now, operator, What.LOCKED, ends_at=operator.locked_until)
    _write(session, now, operator, "operator.lock")
    return Tried(Answer.LOCKED, operator.locked_until)


def _write(session: Session, now: datetime, operator: Operator, action: str) -> None:
    """What becomes of a factor stands in the journal, in the operator's own name."""
    who = Actor(operator.name, "their own sign-in")
    journal.write(session, now, who, action=action, subject=operator.name, facts={})


def _new_code() -> str:
    return "".join(secrets.choice(RECOVERY_LETTERS) for _ in range(RECOVERY_LENGTH))


def _letters(typed: str) -> str:
    return "".join(letter for letter in typed.lower() if letter in RECOVERY_LETTERS)


def _recovery_hash(operator_id: uuid.UUID, code: str) -> str:
    return models.hash_of(f"{operator_id}:{code}")
