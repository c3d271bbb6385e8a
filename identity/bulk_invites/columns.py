"""The columns of a list that may hold the addresses: kept until it is sent, so that another one can be chosen."""

from sqlalchemy.orm import Session

from domain_rules.bulk_invites.reading import Column, Reading, Row

from .models import BulkInvite, PeopleListColumn


def offer(session: Session, made: BulkInvite, reading: Reading) -> None:
    """Keep what there is to choose from; nothing, if the only one is chosen."""
    if reading.chosen is not None and len(reading.columns) == 1:
        return
    session.add_all(
        PeopleListColumn(
            list_id=made.id,
            number=column.number,
            name=column.name,
            examples=list(column.examples),
            addresses=column.addresses,
            elsewhere=column.elsewhere,
            rows=[(row.line, row.text, row.aside) for row in column.rows],
        )
        for column in reading.columns
    )


def offered(session: Session, made: BulkInvite, number: int) -> Column | None:
    """The column of this number, as it was read."""
    found = session.get(PeopleListColumn, (made.id, number))
    if found is None:
        return None
    rows = tuple(Row(line, text, aside=aside) for line, text, aside in found.rows)
    return Column(
        found.number, found.name, tuple(found.examples), found.addresses, rows, found.elsewhere
    )
