"""One-time codes: made when a mail is about to leave, tried, counted. Nowhere else is a try counted.

A code belongs to an address and a purpose, not to a browser: whichever browser has a request for the
address takes it, whoever caused the mail. It confirms one browser; the next needs a new mail.

Addresses can be invented, so tries are limited by code, by address, by network and over all. Where that
is not enough, guessing makes codes longer, it never shuts people out: who holds a mail holds its link,
and behind the link the code has tries of its own that nobody else can use up.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from identity.core.tokens import CODE_DIGITS, LONG_CODE_DIGITS, Tokens, typed_digits

from . import limits as code_limits
from . import models as store
from .limits import NOWHERE, TRIES, Place
from .models import OneTimeCode, Purpose

__all__ = ["NOWHERE", "Place"]

LIFETIMES = {
    Purpose.SIGN_UP: timedelta(minutes=60),
    Purpose.CLIENT: timedelta(hours=24),
    Purpose.INVITATION: timedelta(hours=24),
    Purpose.LISTS: timedelta(minutes=15),
}


class Result(StrEnum):
    """What became of a typed code."""

    RIGHT = "right"
    WRONG = "wrong"
    OFF = "off"  # not tried: no code is taken here now, only behind the link of a mail
    OVER = "over"  # it ended, it was used, or none has left yet: a new mail brings one


JUST = timedelta(minutes=1)  # for an answer that was lost on its way


@dataclass(frozen=True)
class CodeAnswer:
    """`ended_at`: of a code too old. `is_used`: it was right, and has confirmed another browser.

    `mail_at`: when the mail with the next code leaves, if one was ordered.
    """

    result: Result
    tries_left: int = 0
    ended_at: datetime | None = None
    is_used: bool = False
    mail_at: datetime | None = None


@dataclass(frozen=True)
class Typed:
    """A code, and what else speaks for who typed it.

    `held`: typed behind the mailed link, or with the sid and the right secret of a Matrix client.
    `known`: in a browser that has proved the address before. `browser`: which one a right code confirms;
    None: none, it undoes something, and a code that was used may be typed again. `since`: codes that
    were good at that moment are still good.
    """

    code: str
    place: Place = NOWHERE
    held: bool = False
    known: bool = False
    browser: str | None = None
    since: datetime | None = None


def carry(
    session: Session,
    tokens: Tokens,
    now: datetime,
    purpose: Purpose,
    subject: str,
    *,
    told: bool = True,
) -> OneTimeCode:
    """The code of a mail that is about to leave: the one in force, or the next generation.

    To be committed before the mail leaves: the code lives from then on, even if the mail is lost. Not
    `told`: the mail carries none, for what is known of its address; everything that a page can show goes
    the same way, and no code is right.
    """
    store.lock(session, [f"{purpose}:{subject}"])
    code = store.newest(session, purpose, subject)
    attacked = code_limits.is_attacked(session, now, purpose)
    goes_on = code is not None and _has_time_and_tries(tokens, now, code, attacked=attacked)
    if code is None or not goes_on or code.used_at is not None:
        code = _next(now, purpose, subject, before=code, goes_on=goes_on, attacked=attacked)
        session.add(code)
    code.alive_until = max(code.alive_until, now + LIFETIMES[purpose])
    if told and code.key_id is None:
        code.key_id = tokens.key_id
    session.flush()
    return code


def digits(tokens: Tokens, code: OneTimeCode) -> str:
    """What stands in the mail. Raises UnknownCodeKey, and LookupError of a code that no mail carries."""
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
    """Whether who holds the mail can type a code now. `since` as in Typed."""
    codes = store.mailed_since(session, purpose, subject, since or now)
    return any(code.wrong_held < TRIES for code in codes)


def spend(
    session: Session,
    tokens: Tokens,
    now: datetime,
    purpose: Purpose,
    typed: Typed,
    *,
    address: str,
    subject: str | None = None,
    also: Collection[Purpose] = (),
) -> CodeAnswer:
    """Try a code, and count the try if it is wrong. A right one is used up by the browser it confirms.

    `address`: whose mailbox it was sent to; `subject`: what it belongs to, if that is not the address.
    `also`: further purposes whose codes may be typed here; a wrong one counts for all.
    """
    subject = subject or address
    purposes = (purpose, *also)
    keys = [f"{each}:{subject}" for each in purposes]
    if not typed.held:
        keys += [f"address:{address}", typed.place.near, typed.place.far]
    store.lock(session, keys)
    codes = _in_force(session, now, purposes, subject, typed)
    if not codes:
        last = store.newest(session, purpose, subject)
        return CodeAnswer(Result.OVER, ended_at=last.alive_until if last else None)
    allowed = TRIES if typed.held else code_limits.allowed(session, now, codes[0])
    codes = [each for each in codes if _spent(each, typed) < allowed]
    if not codes or (not typed.held and _is_off(session, now, codes[0], typed, address)):
        return CodeAnswer(Result.OFF)
    given = typed_digits(typed.code)
    right = [each for each in codes if _is_right(tokens, each, given)]
    if right:
        used_here = [each for each in right if _use(session, now, each, typed)]
        return CodeAnswer(Result.RIGHT) if used_here else CodeAnswer(Result.OVER, is_used=True)
    return _count_wrong(session, now, codes, typed, address=address, allowed=allowed)


def has_just_used(
    session: Session, tokens: Tokens, now: datetime, *, subject: str, browser: str, code: str
) -> bool:
    """Whether this code confirmed this browser a moment ago: it was sent twice, as by a double click."""
    given = typed_digits(code)
    used = store.used_by(session, subject, browser, since=now - JUST)
    return any(_is_right(tokens, each, given) for each in used)


def _count_wrong(
    session: Session,
    now: datetime,
    codes: list[OneTimeCode],
    typed: Typed,
    *,
    address: str,
    allowed: int,
) -> CodeAnswer:
    counts = [store.count_wrong(session, each, held=typed.held, allowed=allowed) for each in codes]
    if typed.held:
        code_limits.note_wrong(session, now, codes[0], guessed=False)
    else:
        limited_by = "" if typed.known else address
        code_limits.note_wrong(session, now, codes[0], address=limited_by, place=typed.place)
    left = max(count or 0 for count in counts)
    return CodeAnswer(Result.WRONG, tries_left=left) if left else CodeAnswer(Result.OFF)


def _has_time_and_tries(
    tokens: Tokens, now: datetime, code: OneTimeCode, *, attacked: bool
) -> bool:
    """Whether one more mail may carry this generation, as far as everybody may see."""
    return (
        now < code.alive_until
        and code.wrong < TRIES
        and code.wrong_held < TRIES
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
    """The next generation. `goes_on`: the one before was only used.

    That must not show in another browser, so its tries are counted on. The number of a generation is a
    time, for rows are forgotten and no generation may come twice.
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
    typed: Typed,
) -> list[OneTimeCode]:
    """The codes this one may be. Who holds a mail may type its code as long as it lives, else the newest counts."""
    found = [
        code
        for purpose in purposes
        for code in store.mailed_since(session, purpose, subject, typed.since or now)
    ]
    return found if typed.held else found[:1]


def _spent(code: OneTimeCode, typed: Typed) -> int:
    return code.wrong_held if typed.held else code.wrong


def _use(session: Session, now: datetime, code: OneTimeCode, typed: Typed) -> bool:
    return typed.browser is None or store.use(session, code, now, typed.browser)


def _is_off(session: Session, now: datetime, code: OneTimeCode, typed: Typed, address: str) -> bool:
    limited_by = "" if typed.known else address
    return code_limits.are_spent(session, now, code, address=limited_by, place=typed.place)


def _is_right(tokens: Tokens, code: OneTimeCode, typed: str | None) -> bool:
    if code.key_id is None or not tokens.has_key(code.key_id) or not typed:
        return False
    return tokens.is_same(typed, digits(tokens, code))
