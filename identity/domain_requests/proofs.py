"""The proof that somebody runs a domain: a TXT record at `_guichet.<domain>`, and when it is looked for.

It is evidence, and no right. What was found is shown, also where people mistakenly put it.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from identity.core import outbox
from identity.core.dns_answers import DnsAnswer, Found
from identity.core.outbox import JobKind, Lane

from . import models
from .models import DomainProof, DomainRequest

PREFIX: Final = "guichet-domain="
NAME: Final = "_guichet"
LOOKS: Final = (
    *(timedelta(0), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)),
    *(timedelta(hours=24), timedelta(hours=72)),
)
"""When it is looked for by itself, counted from the beginning."""
ENDS_AFTER: Final = LOOKS[-1]
PAUSE: Final = timedelta(minutes=1)  # between two looks that somebody asks for
MAX_FOUND: Final = 5  # records shown
# Quotation marks of all kinds, which people copy along with the value.
AROUND: Final = " \t\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"


class Result(StrEnum):
    """What a look came to."""

    RIGHT = "right"
    WRONG = "wrong"  # there are records, and not ours
    MISPLACED = "misplaced"  # ours, at the name with the domain twice
    NONE = "none"
    NO_ANSWER = "no_answer"  # the name servers of the zone did not answer


def name_of(domain: str) -> str:
    """The name of the record."""
    return f"{NAME}.{domain}"


def misplaced_name_of(domain: str) -> str:
    """Where it ends up if the zone is appended to a name that has it already."""
    return f"{NAME}.{domain}.{domain}"


def begin(session: Session, now: datetime, request: DomainRequest) -> DomainProof:
    """Make the value of the record, and look for it at once and later."""
    value = PREFIX + secrets.token_hex(16)
    proof = DomainProof(request_id=request.id, value=value, begun_at=now, next_at=now, found=[])
    session.add(proof)
    session.flush()
    _order_look(session, now, request, due_at=now)
    return proof


def look_again(session: Session, now: datetime, request: DomainRequest) -> bool:
    """Let the worker look now, because somebody wants it. False if it has within a minute.

    One look at a time is ordered, however often somebody presses.
    """
    models.lock(session)
    proof = models.find_proof(session, request.id)
    if proof is None:
        begin(session, now, request)
        return True
    if proof.looked_at is not None and now < proof.looked_at + PAUSE:
        return False
    if not outbox.is_due(session, request.id, JobKind.DOMAIN_PROOF, now):
        _order_look(session, now, request, due_at=now)
    return True


def read(value: str, answer: DnsAnswer, misplaced: DnsAnswer) -> Result:
    """What the answers come to."""
    if value in map(_bare, answer.texts):
        return Result.RIGHT
    if value in map(_bare, misplaced.texts):
        return Result.MISPLACED
    if answer.found is Found.SOME:
        return Result.WRONG
    return Result.NONE if answer.found is Found.NONE else Result.NO_ANSWER


def record(
    session: Session, now: datetime, request: DomainRequest, answer: DnsAnswer, misplaced: DnsAnswer
) -> None:
    """Store what a look found, and order the next planned one: none once the record was seen."""
    proof = session.get(DomainProof, request.id, with_for_update=True)
    if proof is None:
        return
    result = read(proof.value, answer, misplaced)
    proof.looked_at, proof.result = now, result
    proof.server = answer.server or misplaced.server
    proof.found = list(_shown(answer.texts or misplaced.texts))
    if result is Result.RIGHT and proof.seen_at is None:
        proof.seen_at = now
    planned = proof.next_at
    if request.state not in models.PENDING or proof.seen_at is not None:
        proof.next_at = None
    elif planned is not None and planned <= now:
        later = (proof.begun_at + each for each in LOOKS if proof.begun_at + each > now)
        proof.next_at = next(later, None)
        if proof.next_at is not None:
            _order_look(session, now, request, due_at=proof.next_at)
    session.flush()


def _order_look(
    session: Session, now: datetime, request: DomainRequest, *, due_at: datetime
) -> None:
    outbox.enqueue(session, JobKind.DOMAIN_PROOF, request.id, now, lane=Lane.BULK, due_at=due_at)


def _bare(text: str) -> str:
    return text.strip(AROUND)


def _shown(texts: Sequence[str]) -> Sequence[str]:
    return texts[:MAX_FOUND]
