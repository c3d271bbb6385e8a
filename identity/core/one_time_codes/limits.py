"""How many wrong codes are borne: by code, by address, by network and over all. One place counts them.

Attack makes codes longer, it does not shut people out: none of these limits holds behind the mailed link.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from identity.core.keyed_hashes import KeyedHashes
from identity.core.tokens import CODE_DIGITS, LONG_CODE_DIGITS
from identity.networks import Network, is_in, of_size

from . import models as store
from .models import OneTimeCode, Purpose, WrongTry

log = logging.getLogger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TRIES = 5  # of one code; as many again behind the mailed link
TRIES_UNDER_ATTACK = 1  # of a code of eight digits that was out before
TRIES_OF_ADDRESS = 20  # a day, without the mailed link
TRIES_NEAR = 30  # an hour, from one /24 or /64
TRIES_FAR = 300  # an hour, from one /16 or /48
TRIES_SHARED = 2000  # an hour, from a network where thousands share one address
ATTACK = 300  # wrong codes for one purpose in an hour, from wherever
# What keeps the chance of a false agent below one in ten thousand a day, see docs/security.md.
GUESSES = 7200  # a day, at codes of eight digits and for one purpose, without their mails


@dataclass(frozen=True)
class Place:
    """The network a code is typed from, as hashes. `shared`: of many people, and then `far` is empty."""

    near: str = ""
    far: str = ""
    shared: bool = False


NOWHERE = Place()


def place_of(
    session: Session, hashes: KeyedHashes, caller: str, shared: tuple[Network, ...]
) -> Place:
    """Where a code is typed. `caller`: an IP address, or the word that stands for what could not be read."""
    for network in shared:
        if is_in(caller, (network,)):
            return Place(hashes.of_network(session, f"shared {network}"), shared=True)
    return Place(
        near=hashes.of_network(session, of_size(caller, 24, 64)),
        far=hashes.of_network(session, of_size(caller, 16, 48)),
    )


def is_attacked(session: Session, now: datetime, purpose: Purpose) -> bool:
    """Whether so many wrong codes were typed lately that codes are longer for a while."""
    until = store.alarm_until(session, purpose)
    return until is not None and now < until


def allowed(session: Session, now: datetime, code: OneTimeCode) -> int:
    """How many tries a code has in all without its mail."""
    short = code.digits == CODE_DIGITS
    attacked = short and is_attacked(session, now, Purpose(code.purpose))
    return TRIES_UNDER_ATTACK if attacked else TRIES


def are_spent(
    session: Session, now: datetime, code: OneTimeCode, *, address: str, place: Place
) -> bool:
    """Whether the address, the network or all together have had their tries; "" is not limited."""
    if not session.info.get("limited", True):
        return False
    if address and store.wrong_for_address(session, address, now - DAY) >= TRIES_OF_ADDRESS:
        return True
    near = TRIES_SHARED if place.shared else TRIES_NEAR
    if place.near and store.wrong_near(session, place.near, now - HOUR) >= near:
        return True
    if place.far and store.wrong_far(session, place.far, now - HOUR) >= TRIES_FAR:
        return True
    return (
        code.digits == CODE_DIGITS
        and store.guesses(session, Purpose(code.purpose), CODE_DIGITS, now - DAY) >= GUESSES
    )


def note_wrong(
    session: Session,
    now: datetime,
    code: OneTimeCode,
    *,
    guessed: bool = True,
    address: str = "",
    place: Place = NOWHERE,
) -> None:
    """Count a wrong try, and sound the alarm if there are too many. `guessed`: without the mail."""
    purpose = Purpose(code.purpose)
    session.add(
        WrongTry(
            at=now,
            purpose=purpose,
            address=address,
            near=place.near,
            far=place.far,
            guessed_digits=code.digits if guessed else 0,
        )
    )
    session.flush()
    if store.wrong_in_all(session, purpose, now - HOUR) <= ATTACK:
        return
    if not is_attacked(session, now, purpose):
        log.error(
            "codes are being guessed: over %d wrong ones in an hour for %s; for an hour new mails"
            " carry %d digits, and codes that are out have one try without their mail",
            ATTACK,
            purpose,
            LONG_CODE_DIGITS,
        )
    store.raise_alarm(session, purpose, now + HOUR)
