"""The columns that may hold the addresses, stored until the bulk invite is sent."""

from sqlalchemy.orm import Session

from domain_rules.bulk_invites.reading import Column, Reading
from domain_rules.bulk_invites.tables import Row

from .models import BulkInvite, BulkInviteColumn


def store_columns(session: Session, bulk_invite: BulkInvite, reading: Reading) -> None:
    """Store the columns to choose from; none, if the only one is chosen."""
    if reading.chosen is not None and len(reading.columns) == 1:
        return
    session.add_all(
        BulkInviteColumn(
            list_id=bulk_invite.id,
            number=column.number,
            name=column.name,
            examples=list(column.examples),
            addresses=column.addresses,
            elsewhere=column.elsewhere,
            rows=[(row.line, row.text, row.aside) for row in column.rows],
        )
        for column in reading.columns
    )


def find_column(session: Session, bulk_invite: BulkInvite, number: int) -> Column | None:
    """The column of this number, as it was read."""
    found = session.get(BulkInviteColumn, (bulk_invite.id, number))
    if found is None:
        return None
    rows = tuple(Row(line, text, aside=aside) for line, text, aside in found.rows)
    return Column(
        found.number, found.name, tuple(found.examples), found.addresses, rows, found.elsewhere
    )
