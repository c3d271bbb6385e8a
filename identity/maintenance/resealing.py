"""Re-seals stored secrets with the newest storage key, so that older keys can be removed."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from identity.core.database import marked_columns
from identity.core.sealing import SEALED, Vault


def reseal(session: Session, vault: Vault) -> int:
    """Re-seal all columns marked SEALED. Return the number of secrets.

    Raises CannotOpen and changes nothing if a storage key is missing.
    """
    count = 0
    for column in marked_columns(SEALED):
        # The rows are locked, so that a secret somebody else seals meanwhile is not overwritten.
        sealed = select(column.class_).where(column.is_not(None)).with_for_update()
        for row in session.scalars(sealed.execution_options(populate_existing=True)):
            secret = vault.open(getattr(row, column.key)).get_secret_value()
            setattr(row, column.key, vault.seal(secret))
            count += 1
    return count
