"""Adds, removes and tries passkeys of operators.

A passkey that was right takes the place of the mailed code and of the app. It stands beside the app
and never alone: who has no app has no passkeys.
"""

import base64
import logging
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import or_
from sqlalchemy.orm import Session

from identity.core import journal, rows
from identity.core.inserting import insert_if_new
from identity.core.journal import Actor
from identity.core.strict_json import is_text, read_object
from identity.operators import factors, models as operators, notices
from identity.operators.models import Operator
from identity.operators.notices import What

from . import challenges, models
from .challenges import Asked
from .models import OperatorPasskey
from .site import Site

log = logging.getLogger(__name__)

MOST: Final = 10  # passkeys of one operator
MAX_NAME: Final = 60  # characters
MAX_SENT: Final = 20_000  # characters of what a browser sends
MAX_CREDENTIAL: Final = 1364  # characters: 1023 bytes in base64url
ACTIONS: Final = {
    What.PASSKEY_ADDED: "operator.passkey_add",
    What.PASSKEY_REMOVED: "operator.passkey_remove",
    What.PASSKEY_BEHIND: "operator.passkey_behind",
}
"""In the journal."""


class Answer(StrEnum):
    """What became of an answer with a passkey."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"


@dataclass(frozen=True)
class Tried:
    """`operator`: whose passkey it was, if it was right. `locked_until`: see `factors`."""

    answer: Answer
    operator: Operator | None = None
    locked_until: datetime | None = None

    @property
    def is_right(self) -> bool:
        return self.answer is Answer.RIGHT


WRONG: Final = Tried(Answer.WRONG)


@dataclass(frozen=True)
class Sent:
    """What a browser sent: `whole` as the library reads it, and what has to be known before that."""

    credential_id: str
    challenge: str
    user_handle: str | None
    whole: dict[str, Any]


class NotRight(ValueError):
    """What was sent proves nothing. The message is a word for the log."""


def may_have_some(session: Session, operator: Operator) -> bool:
    """Whether they may add passkeys: they have an app, and no OpenID provider answers for them."""
    return operator.signs_in_by_mail and factors.has_factor(session, operator.id)


def is_full(session: Session, operator_id: uuid.UUID) -> bool:
    """Whether they have as many passkeys as anybody may have."""
    return rows.count(session, OperatorPasskey.operator_id == operator_id) >= MOST


def read_name(typed: str) -> str | None:
    """The name of a passkey as typed: 1 to 60 letters on one line, and no @. None if it is not fit."""
    name = " ".join(typed.split())
    return name if 0 < len(name) <= MAX_NAME and name.isprintable() and "@" not in name else None


def options_to_add(
    session: Session, now: datetime, site: Site, asked: Asked, *, operator: Operator
) -> dict[str, Any]:
    """What a browser needs to make a passkey, with a new challenge."""
    from . import ceremonies  # noqa: PLC0415  an extra, and slow

    return ceremonies.options_to_add(
        site,
        challenges.give(session, now, asked),
        operator_id=operator.id,
        name=operator.name,
        known=[each.credential_id for each in models.find_of(session, operator.id)],
    )


def options_to_prove(
    session: Session,
    now: datetime,
    site: Site,
    asked: Asked,
    *,
    operator_id: uuid.UUID | None = None,
) -> dict[str, Any]:
    """What a browser needs to use a passkey, with a new challenge.

    Without an operator it names no passkey, so that it tells nobody who is one.
    """
    from . import ceremonies  # noqa: PLC0415  an extra, and slow

    known = models.find_fitting(session, operator_id, site.rp_id) if operator_id else ()
    challenge = challenges.give(session, now, asked)
    return ceremonies.options_to_prove(site, challenge, [each.credential_id for each in known])


def add(
    session: Session,
    now: datetime,
    site: Site,
    asked: Asked,
    *,
    who: Actor,
    operator: Operator,
    name: str,
    sent: str,
) -> OperatorPasskey | None:
    """Store a passkey that a browser has made; None if it is not fit, or one too many.

    `name`: as `read_name` returns it. The operator's row is locked meanwhile: whoever takes their
    app away takes this one, too.
    """
    try:
        row = _read_new(session, now, site, asked, operator=operator, sent=sent)
    except NotRight as why:
        log.info("a passkey was not added: %s", why)
        return None
    if not insert_if_new(session, OperatorPasskey, {**row, "name": name, "made_at": now}):
        log.info("a passkey was not added: it is stored already")
        return None
    _tell(session, now, who, operator, what=What.PASSKEY_ADDED, name=name)
    return session.get_one(OperatorPasskey, row["id"])


def remove(
    session: Session, now: datetime, who: Actor, operator: Operator, *, passkey_id: uuid.UUID
) -> bool:
    """Delete a passkey of this operator. False if it is gone."""
    own = (OperatorPasskey.id == passkey_id, OperatorPasskey.operator_id == operator.id)
    found = session.get(OperatorPasskey, passkey_id)
    if found is None or not rows.delete(session, OperatorPasskey, *own):
        return False
    _tell(session, now, who, operator, what=What.PASSKEY_REMOVED, name=found.name)
    return True


def try_answer(
    session: Session,
    now: datetime,
    site: Site,
    asked: Asked,
    *,
    sent: str,
    operator_id: uuid.UUID | None = None,
) -> Tried:
    """Try what a browser answered with a passkey. `operator_id`: whose it must be, if that is known.

    While wrong codes lock the operator's factor, a passkey does not let them in either. A wrong
    answer does not count as one of these: nobody guesses a signature, and whoever could make it
    count could lock somebody out.
    """
    try:
        passkey, count = _check(session, now, site, asked, sent=sent, operator_id=operator_id)
    except NotRight as why:
        log.info("a passkey was not right: %s", why)
        return WRONG
    operator = session.get_one(Operator, passkey.operator_id)
    operators.lock(session, operator)
    if not (operator.may_come_in if operator_id else operator.signs_in_by_mail):
        log.info("a passkey was right, and its operator may not come in")
        return WRONG
    if operator.locked_until is not None and now < operator.locked_until:
        return Tried(Answer.LOCKED, locked_until=operator.locked_until)
    if not _record_use(session, now, passkey, count):
        who = Actor(operator.name, "their own sign-in")
        _tell(session, now, who, operator, what=What.PASSKEY_BEHIND, name=passkey.name)
        return WRONG
    return Tried(Answer.RIGHT, operator)


def _read_new(
    session: Session, now: datetime, site: Site, asked: Asked, *, operator: Operator, sent: str
) -> dict[str, Any]:
    """The columns of a passkey that was made for this challenge. Raises NotRight."""
    from . import ceremonies  # noqa: PLC0415  an extra, and slow

    read = _read(sent)
    if not challenges.use(session, now, asked, read.challenge):
        raise NotRight("challenge")
    operators.lock(session, operator)
    if not may_have_some(session, operator) or is_full(session, operator.id):
        raise NotRight("not allowed")
    try:
        made = ceremonies.read_new(site, read.challenge, read.whole)
    except ceremonies.Unfit as error:
        raise NotRight(str(error)) from None
    if made.credential_id != read.credential_id:
        raise NotRight("names")
    return {
        "id": uuid.uuid4(),
        "operator_id": operator.id,
        "credential_id": made.credential_id,
        "public_key": made.public_key,
        "sign_count": made.sign_count,
        "rp_id": site.rp_id,
    }


def _check(
    session: Session,
    now: datetime,
    site: Site,
    asked: Asked,
    *,
    sent: str,
    operator_id: uuid.UUID | None,
) -> tuple[OperatorPasskey, int]:
    """The passkey that answered this challenge, and what it counts now. Raises NotRight."""
    from . import ceremonies  # noqa: PLC0415  an extra, and slow

    read = _read(sent)
    if not challenges.use(session, now, asked, read.challenge):
        raise NotRight("challenge")
    passkey = models.find_by_credential(session, read.credential_id)
    if passkey is None or operator_id not in {None, passkey.operator_id}:
        raise NotRight("unknown")
    handle = ceremonies.to_base64(passkey.operator_id.bytes)
    # Browsers leave it away where they were told whose passkey it has to be.
    if read.user_handle != handle and (read.user_handle is not None or operator_id is None):
        raise NotRight("user handle")
    try:
        count = ceremonies.check(site, read.challenge, read.whole, passkey.public_key)
    except ceremonies.Unfit as error:
        raise NotRight(str(error)) from None
    return passkey, count


def _read(sent: str) -> Sent:
    """What has to be known before the library reads it. Raises NotRight: it is no answer at all."""
    if len(sent) > MAX_SENT:
        raise NotRight("length")
    try:
        whole = read_object(sent.encode())
        response = whole["response"]
        told = read_object(base64.urlsafe_b64decode(response["clientDataJSON"] + "=="))
        named, challenge = whole["id"], told["challenge"]
        read = Sent(named, challenge, response.get("userHandle"), whole)
    except (ValueError, TypeError, LookupError, AttributeError):
        raise NotRight("form") from None
    if told.get("crossOrigin", False) is not False or "topOrigin" in told:
        raise NotRight("frame")  # another site shows this one inside of itself
    if not isinstance(named, str) or not isinstance(challenge, str):
        raise NotRight("form")
    if not is_text(named) or len(named) > MAX_CREDENTIAL:
        raise NotRight("form")
    return read


def _record_use(session: Session, now: datetime, passkey: OperatorPasskey, count: int) -> bool:
    """Store the new count. False if it is not larger: there is a second one of this passkey.

    Passkeys that many devices share count nothing, and say 0 each time (section 6.1.1).
    """
    row = OperatorPasskey
    is_larger = row.sign_count < count
    moves_on = or_(is_larger, row.sign_count == 0) if count == 0 else is_larger
    return (
        rows.update(session, row, row.id == passkey.id, moves_on, sign_count=count, used_at=now) > 0
    )


def _tell(
    session: Session, now: datetime, who: Actor, operator: Operator, *, what: What, name: str
) -> None:
    notices.tell(session, now, operator, what, detail=name)
    facts = {"passkey": name}
    subject = operator.name
    journal.write(session, now, who, action=ACTIONS[what], subject=subject, facts=facts)
