"""Verifying the journal: its hash chain, and the rules of every published revision."""

import json
from dataclasses import replace

from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Fault, Verified
from identity.routing import models as rules

PUBLISHED = "rules.publish"


def verify(session: Session, *, noted_head: str | None = None) -> Verified:
    """Verify the chain, then the revisions; the result has the first fault found."""
    done = journal.verify(session, noted_head=noted_head)
    return done if done.fault else replace(done, fault=_first_changed_revision(session))


def _first_changed_revision(session: Session) -> Fault | None:
    published: set[int] = set()
    for entry in journal.find_by_action(session, PUBLISHED):
        number = int(entry.subject.removeprefix("revision "))
        published.add(number)
        if json.loads(entry.facts)["digest"] != rules.digest(session, number):
            return Fault(entry.number, f"the rules of revision {number} are not those published")
    for number in range(rules.EMPTY + 1, rules.current_number(session) + 1):
        if number not in published:
            return Fault(0, f"revision {number} was published without a row")
    return None
