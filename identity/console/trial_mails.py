"""Sends an operator a mail as people get it, to their own mailbox and to no other."""

import uuid
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from identity.core import journal
from identity.core.journal import Actor
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.operators.models import Operator
from identity.problems import WrongParameter

from .sample_mails import SAMPLES

NAMESPACE: Final = uuid.UUID("5ae3a9a4-3c1d-4d0c-9a6e-6f0f5be0a7d1")
SUBJECTS: Final = {uuid.uuid5(NAMESPACE, name): name for name in SAMPLES}
"""What stands in a stored mail in place of the thing that it is about: which sample it is."""


def order(
    session: Session, now: datetime, who: Actor, operator: Operator, name: str
) -> datetime | None:
    """Order the sample of this name for the operator's own mailbox, in their language.

    Returns None, or, beyond 5 an hour or 10 a day, when the next may be asked for: nothing is ordered
    then. Raises WrongParameter for a name that is none, and for an operator without a mailbox.
    """
    if name not in SAMPLES or operator.mail is None:
        raise WrongParameter("There is no such mail, or no mailbox for it.", field="mail")
    mails.lock_address(session, operator.mail)
    free_at = mails.earliest_by_bounds(session, now, operator.mail, Template.OPERATOR_TEST)
    if free_at > now:
        return free_at
    mails.order(
        session,
        now,
        template=Template.OPERATOR_TEST,
        address=operator.mail,
        language=operator.language,
        subject_id=uuid.uuid5(NAMESPACE, name),
    )
    facts = {"mail": name, "operator": str(operator.id)}
    journal.write(session, now, who, action="mail.test", subject="own mailbox", facts=facts)
    return None
