"""What an operator is told of their own passkeys."""

import uuid
from typing import Any

from sqlalchemy.orm import Session

from . import models


def passkeys_told(session: Session, operator_id: uuid.UUID) -> list[dict[str, Any]]:
    """The passkeys of an operator, oldest first.

    [{"id", "name": text, "made_at": time, "used_at": time or null, "host": text}]

    `host`: the one that it was made for, and works at; empty if that is not known.
    """
    return [
        {
            "id": str(each.id),
            "name": each.name,
            "made_at": each.made_at,
            "used_at": each.used_at,
            "host": each.rp_id,
        }
        for each in models.find_of(session, operator_id)
    ]
