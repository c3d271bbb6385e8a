"""How many wrong one-time codes are allowed: per code, per address, per network and over all.

These limits stop guessing without the mail. Behind the link of the mail only the limit per code
holds, so nobody can lock out the owner of a mailbox. When many codes are guessed, an alarm makes
new codes longer for an hour.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from identity.core.database import limits_count
from identity.core.keyed_hashes import KeyedHashes
from identity.core.tokens import CODE_DIGITS, LONG_CODE_DIGITS
from identity.networks import Network, is_in, network_around

from . import models as store
from .models import OneTimeCode, Purpose, WrongTry

log = logging.getLogger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_TRIES = 5  # for one code; as many again behind the link in the mail
MAX_TRIES_UNDER_ATTACK = 1  # for a code of eight digits, mailed before the alarm
MAX_TRIES_FOR_ADDRESS = 20  # a day, without the link in the mail
MAX_TRIES_NEAR = 30  # an hour, from one /24 or /64
MAX_TRIES_FAR = 300  # an hour, from one /16 or /48
MAX_TRIES_SHARED = 2000  # an hour, from a network where thousands share one address
ALARM_THRESHOLD = 300  # wrong codes for one purpose in an hour, from all networks
# Keeps the chance that a guess makes somebody an agent below 1 in 10,000 a day: docs/security.md.
MAX_GUESSES = 7200  # a day, of codes of eight digits for one purpose, without the mail


@dataclass(frozen=True)
class CallerNetworks:
    """The networks a code is typed from, as keyed hashes; an empty one is not limited.

    `near`: the /24 (IPv4) or /64 (IPv6). `far`: the /16 or /48. `shared`: `near` is a network that
    the settings name as shared by many people; `far` is empty then.
    """

    near: str = ""
    far: str = ""
    shared: bool = False


NO_NETWORKS = CallerNetworks()


def networks_of_caller(
    session: Session, hashes: KeyedHashes, caller: str, shared: tuple[Network, ...]
) -> CallerNetworks:
    """The networks of a caller, given by IP address or by the name in `networks.Caller`."""
    for network in shared:
        if is_in(caller, (network,)):
            return CallerNetworks(hashes.hash_of_network(session, f"shared {network}"), shared=True)
    return CallerNetworks(
        near=hashes.hash_of_network(session, network_around(caller, 24, 64)),
        far=hashes.hash_of_network(session, network_around(caller, 16, 48)),
    )


def is_attacked(session: Session, now: datetime, purpose: Purpose) -> bool:
    """Whether the alarm is on: many wrong codes in the last hour, so new codes are longer."""
    until = store.alarm_ends_at(session, purpose)
    return until is not None and now < until


def allowed_tries(session: Session, now: datetime, code: OneTimeCode) -> int:
    """How many tries a code has in all, without its mail."""
    short = code.digits == CODE_DIGITS
    attacked = short and is_attacked(session, now, Purpose(code.purpose))
    return MAX_TRIES_UNDER_ATTACK if attacked else MAX_TRIES


def is_exhausted(
    session: Session, now: datetime, code: OneTimeCode, *, address: str, networks: CallerNetworks
) -> bool:
    """Whether the tries of the address, the networks or all together are used up.

    An empty address or network is not limited.
    """
    if not limits_count(session):
        return False
    count = partial(store.count_wrong, session)
    if address and count(now - DAY, address=address) >= MAX_TRIES_FOR_ADDRESS:
        return True
    near = MAX_TRIES_SHARED if networks.shared else MAX_TRIES_NEAR
    if networks.near and count(now - HOUR, near=networks.near) >= near:
        return True
    if networks.far and count(now - HOUR, far=networks.far) >= MAX_TRIES_FAR:
        return True
    if code.digits != CODE_DIGITS:
        return False
    guesses = count(now - DAY, purpose=code.purpose, guessed_digits=CODE_DIGITS)
    return guesses >= MAX_GUESSES


def record_wrong_try(
    session: Session,
    now: datetime,
    code: OneTimeCode,
    *,
    guessed: bool = True,
    address: str = "",
    networks: CallerNetworks = NO_NETWORKS,
) -> None:
    """Record a wrong try, and raise the alarm if there are too many.

    `guessed`: without the mail.
    """
    purpose = Purpose(code.purpose)
    session.add(
        WrongTry(
            at=now,
            purpose=purpose,
            address=address,
            near=networks.near,
            far=networks.far,
            guessed_digits=code.digits if guessed else 0,
        )
    )
    session.flush()
    if store.count_wrong(session, now - HOUR, purpose=purpose) <= ALARM_THRESHOLD:
        return
    if not is_attacked(session, now, purpose):
        log.error(
            "codes are being guessed: over %d wrong ones in an hour for %s; for an hour new mails"
            " carry %d digits, and codes that are out have one try without their mail",
            ALARM_THRESHOLD,
            purpose,
            LONG_CODE_DIGITS,
        )
    store.raise_alarm(session, purpose, now + HOUR)
