"""What ends for operators when a backup was loaded: it does not know who was disabled since."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from identity.core import rows

from .kept_forms import KeptForm
from .models import AdminToken, Operator, OperatorLink, OperatorSession, Source
from .passkeys.models import OperatorPasskey, PasskeyChallenge
from .sign_in_models import OperatorSignIn


@dataclass(frozen=True)
class EndedAccess:
    """How many. `operators`: wait until an admin confirms them."""

    sessions: int
    tokens: int
    operators: int


def end_access(session: Session, now: datetime) -> EndedAccess:
    """End all sessions, links and API tokens, and let nobody in who is not confirmed.

    Passkeys are deleted: each lets somebody in alone, and may have been removed since the backup.
    The operator of a trial installation is let in: they have the machine.
    """
    rows.delete(session, OperatorSignIn)
    rows.delete(session, KeptForm)
    rows.delete(session, PasskeyChallenge)
    rows.delete(session, OperatorPasskey)
    rows.update(session, OperatorLink, OperatorLink.used_at.is_(None), used_at=now)
    waiting = (
        Operator.disabled_at.is_(None),
        Operator.unconfirmed_at.is_(None),
        Operator.source != Source.EMBEDDED,
    )
    ended = EndedAccess(
        sessions=rows.update(
            session, OperatorSession, OperatorSession.ended_at.is_(None), ended_at=now
        ),
        tokens=rows.update(session, AdminToken, AdminToken.ended_at.is_(None), ended_at=now),
        operators=rows.update(session, Operator, *waiting, unconfirmed_at=now),
    )
    session.expire_all()
    return ended
