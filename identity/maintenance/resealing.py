"""What storage keys seal is sealed anew with the newest, so that older ones can go."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core.database import marked_columns
from identity.core.sealing import SEALED, Vault


def reseal(session: Session, vault: Vault) -> int:
    """How many secrets there were. Raises CannotOpen if a storage key is missing: nothing is changed then."""
    count = 0
    for column in marked_columns(SEALED):
        # Locked, as read: what somebody else seals meanwhile is not overwritten.
        sealed = select(column.class_).where(column.is_not(None)).with_for_update()
        for row in session.scalars(sealed.execution_options(populate_existing=True)):
            secret = vault.open(getattr(row, column.key)).get_secret_value()
            setattr(row, column.key, vault.seal(secret))
            count += 1
    return count
