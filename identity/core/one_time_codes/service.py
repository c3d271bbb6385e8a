"""The one mechanism for one-time codes: issue a code for a mail, try a code, count wrong tries.

1. When a mail is about to leave, `issue_for_mail` gives the code it carries. A code belongs to a
   purpose and a subject (an address, or the sid of a validation session), not to a browser. Mails
   that follow each other carry the same code while it has time and tries left; then the next
   generation begins.
2. The digits are not stored: `digits_of` derives them from a link key and the number of the
   generation.
3. `spend` tries what a person typed. A right code confirms one browser, and only that one: another
   browser needs a new mail. A wrong code is counted.
4. Wrong tries are limited by code, by address, by network and over all (see `limits`).
   Nobody can be locked out by somebody else's guesses: behind the link in the mail, or with the
   secret of a Matrix client, a code has tries of its own. Many wrong codes make new codes longer.

Sign-up, Matrix validation, invitations, bulk invites, requests for domains and the console all use this; no other module counts tries.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from identity.core import foreseen, metrics
from identity.core.database import count_after_commit
from identity.core.tokens import CODE_DIGITS, LONG_CODE_DIGITS, Tokens, typed_digits

from . import limits as code_limits, models as store
from .limits import MAX_TRIES, NO_NETWORKS, CallerNetworks
from .models import OneTimeCode, Purpose

LIFETIMES = {
    Purpose.SIGN_UP: timedelta(minutes=60),
    Purpose.CLIENT: timedelta(hours=24),
    Purpose.INVITATION: timedelta(hours=24),
    Purpose.LISTS: timedelta(minutes=15),
    Purpose.OPERATORS: timedelta(minutes=10),
    Purpose.DOMAIN: timedelta(minutes=60),
}


class Result(StrEnum):
    """The result of trying a typed code."""

    RIGHT = "right"
    WRONG = "wrong"
    OFF = "off"  # not tried: the limits are reached, only the link in the mail helps
    OVER = "over"  # it expired, was used, or no mail has left yet: a new mail is needed


NEWEST = "newest code"
RESENT_WITHIN = timedelta(minutes=1)  # the same form may be sent twice: the first answer was lost


@dataclass(frozen=True)
class CodeAnswer:
    """The result of a try, and what a page needs to explain it.

    `ended_at`: when an expired code expired. `is_used`: the code is right, but it has already
    confirmed another browser. `mail_at`: when the mail with the next code leaves, if one is
    ordered.
    """

    result: Result
    tries_left: int = 0
    ended_at: datetime | None = None
    is_used: bool = False
    mail_at: datetime | None = None


@dataclass(frozen=True)
class TypedCode:
    """A typed code, and what is known about the person who typed it.

    `networks`: the networks the request came from. `held`: it was typed behind the link of the
    mail, or with the sid and the secret of a Matrix client, so the person has the mail. `known`:
    this browser has verified the address before. `browser`: the browser that a right code confirms;
    None if it confirms none, then a used code may be typed again (to undo something). `since`:
    codes that were valid at that moment count as valid.
    """

    code: str
    networks: CallerNetworks = NO_NETWORKS
    held: bool = False
    known: bool = False
    browser: str | None = None
    since: datetime | None = None


def foresee(session: Session, now: datetime, purpose: Purpose, subjects: Collection[str]) -> None:
    """Read at once what `issue_for_mail` will ask for in this transaction, and take its locks."""
    foreseen.remember(session, NEWEST, _read_newest(session, now, purpose, subjects))


def issue_for_mail(
    session: Session,
    tokens: Tokens,
    now: datetime,
    purpose: Purpose,
    subject: str,
    *,
    in_mail: bool = True,
) -> OneTimeCode:
    """Return the code for a mail that is about to leave: the current one, or the next generation.

    Commit before the mail leaves, so that the code is valid even if the mail is lost.
    `in_mail=False`: the mail carries no code, because of what is known about its address. The row
    is written all the same, so that pages behave alike for every address; no typed code is right.
    """
    its = (purpose, subject)
    code, attacked = foreseen.recall(
        session, NEWEST, its, lambda: _read_newest(session, now, purpose, [subject])[its]
    )
    foreseen.forget(session, NEWEST, its)
    goes_on = code is not None and _has_time_and_tries(tokens, now, code, attacked=attacked)
    if code is None or not goes_on or code.used_at is not None:
        code = _next(now, purpose, subject, before=code, goes_on=goes_on, attacked=attacked)
        session.add(code)
    code.alive_until = max(code.alive_until, now + LIFETIMES[purpose])
    if in_mail and code.key_id is None:
        code.key_id = tokens.key_id
    return code


def digits_of(tokens: Tokens, code: OneTimeCode) -> str:
    """Return the digits the mail shows.

    Raises UnknownCodeKey if the link key is gone, LookupError for a code that no mail carries.
    """
    if code.key_id is None:
        raise LookupError("no mail carries this code")
    return tokens.code(
        code.purpose, code.subject, code.generation, digits=code.digits, key_id=code.key_id
    )


def has_code(
    session: Session,
    now: datetime,
    purpose: Purpose,
    subject: str,
    *,
    since: datetime | None = None,
) -> bool:
    """Whether a person who has the mail can type a code now. `since` as in TypedCode."""
    codes = store.find_alive_since(session, purpose, subject, since or now)
    return any(code.wrong_held < MAX_TRIES for code in codes)


def spend(
    session: Session,
    tokens: Tokens,
    now: datetime,
    purpose: Purpose,
    typed: TypedCode,
    *,
    address: str,
    subject: str | None = None,
    also: Collection[Purpose] = (),
) -> CodeAnswer:
    """Try a typed code: mark it as used if it is right, count the try if it is wrong.

    `address`: the mailbox it was sent to. `subject`: what the code belongs to, if that is not the
    address. `also`: further purposes whose codes are accepted here; a wrong code counts for all.
    """
    purposes = (purpose, *also)
    answer = _try(
        session, tokens, now, purposes, typed, address=address, subject=subject or address
    )
    result = answer.result.value
    count_after_commit(session, metrics.CODES_TRIED, purpose=purpose.value, result=result)
    return answer


def _try(
    session: Session,
    tokens: Tokens,
    now: datetime,
    purposes: tuple[Purpose, ...],
    typed: TypedCode,
    *,
    address: str,
    subject: str,
) -> CodeAnswer:
    keys = [f"{each}:{subject}" for each in purposes]
    if not typed.held:
        keys += [f"address:{address}", typed.networks.near, typed.networks.far]
    store.lock(session, keys)
    codes = _in_force(session, now, purposes, subject, typed)
    if not codes:
        last = store.find_newest(session, purposes[0], subject)
        return CodeAnswer(Result.OVER, ended_at=last.alive_until if last else None)
    allowed = MAX_TRIES if typed.held else code_limits.allowed_tries(session, now, codes[0])
    codes = [each for each in codes if (each.wrong_held if typed.held else each.wrong) < allowed]
    if not codes or (not typed.held and _is_off(session, now, codes[0], typed, address)):
        return CodeAnswer(Result.OFF)
    given = typed_digits(typed.code)
    right = [each for each in codes if _is_right(tokens, each, given)]
    if right:
        by = typed.browser
        used_here = [
            each for each in right if by is None or store.mark_used(session, each, now, by)
        ]
        return CodeAnswer(Result.RIGHT) if used_here else CodeAnswer(Result.OVER, is_used=True)
    return _count_wrong(session, now, codes, typed, address=address, allowed=allowed)


def was_just_used(
    session: Session, tokens: Tokens, now: datetime, *, subject: str, browser: str, code: str
) -> bool:
    """Whether this code confirmed this browser less than a minute ago, as after a double click."""
    given = typed_digits(code)
    used = store.find_used_by(session, subject, browser, since=now - RESENT_WITHIN)
    return any(_is_right(tokens, each, given) for each in used)


def _count_wrong(
    session: Session,
    now: datetime,
    codes: list[OneTimeCode],
    typed: TypedCode,
    *,
    address: str,
    allowed: int,
) -> CodeAnswer:
    counts = [store.take_try(session, each, held=typed.held, allowed=allowed) for each in codes]
    if typed.held:
        code_limits.record_wrong_try(session, now, codes[0], guessed=False)
    else:
        limited_by = "" if typed.known else address
        code_limits.record_wrong_try(
            session, now, codes[0], address=limited_by, networks=typed.networks
        )
    left = max(count or 0 for count in counts)
    return CodeAnswer(Result.WRONG, tries_left=left) if left else CodeAnswer(Result.OFF)


def _read_newest(
    session: Session, now: datetime, purpose: Purpose, subjects: Collection[str]
) -> dict[tuple[Purpose, str], tuple[OneTimeCode | None, bool]]:
    """The newest generation of each subject, locked, and whether codes are being guessed."""
    store.lock(session, [f"{purpose}:{each}" for each in subjects])
    newest = store.find_newest_of(session, purpose, subjects)
    attacked = code_limits.is_attacked(session, now, purpose)
    return {(purpose, each): (newest.get(each), attacked) for each in subjects}


def _has_time_and_tries(
    tokens: Tokens, now: datetime, code: OneTimeCode, *, attacked: bool
) -> bool:
    """Whether one more mail may carry this generation; whether it was used does not count here."""
    return (
        now < code.alive_until
        and code.wrong < MAX_TRIES
        and code.wrong_held < MAX_TRIES
        and (code.digits == LONG_CODE_DIGITS or not attacked)
        and (code.key_id is None or tokens.has_key(code.key_id))
    )


def _next(
    now: datetime,
    purpose: Purpose,
    subject: str,
    *,
    before: OneTimeCode | None,
    goes_on: bool,
    attacked: bool,
) -> OneTimeCode:
    """The next generation. `goes_on`: the one before has time and tries left, but was used.

    Another browser must not learn that it was used, so its count of tries continues. A generation
    is numbered by the time (seconds since 1970): old rows are deleted and no number may come twice.
    """
    return OneTimeCode(
        purpose=purpose,
        subject=subject,
        generation=max(int(now.timestamp()), before.generation + 1 if before else 0),
        digits=LONG_CODE_DIGITS if attacked else CODE_DIGITS,
        alive_until=now,
        wrong=before.wrong if before and goes_on else 0,
        wrong_held=before.wrong_held if before and goes_on else 0,
    )


def _in_force(
    session: Session,
    now: datetime,
    purposes: Collection[Purpose],
    subject: str,
    typed: TypedCode,
) -> list[OneTimeCode]:
    """The codes that may be typed now: all valid ones for a person with the mail, else the newest."""
    found = [
        code
        for purpose in purposes
        for code in store.find_alive_since(session, purpose, subject, typed.since or now)
    ]
    return found if typed.held else found[:1]


def _is_off(
    session: Session, now: datetime, code: OneTimeCode, typed: TypedCode, address: str
) -> bool:
    limited_by = "" if typed.known else address
    return code_limits.is_exhausted(session, now, code, address=limited_by, networks=typed.networks)


def _is_right(tokens: Tokens, code: OneTimeCode, typed: str | None) -> bool:
    if code.key_id is None or not tokens.has_key(code.key_id) or not typed:
        return False
    return tokens.is_same(typed, digits_of(tokens, code))
