"""What Guichet itself reads in the URL of a database: whether a pooler stands in front of it."""

from sqlalchemy import URL, make_url

PARAMETER = "pooler"
TRANSACTION = "transaction"  # its only value: a connection is lent for one transaction


def without_pooler(url: str) -> tuple[URL, bool]:
    """The URL that the driver understands, and whether a pooler lends its connections.

    Raises ValueError for another kind of pooler.
    """
    given = make_url(url)
    kind = given.query.get(PARAMETER)
    if kind not in {None, TRANSACTION}:
        raise ValueError(f"{PARAMETER}= can only be {TRANSACTION}, or be left out")
    return given.difference_update_query([PARAMETER]), kind is not None
