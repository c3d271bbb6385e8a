"""What a page of the console asks the database."""

import threading
from contextlib import contextmanager

from sqlalchemy import event

MOST_QUERIES = 8  # of one page, beside the one that says who is signed in
OF_THE_SESSION = "FROM operator_sessions"


@contextmanager
def statements(engine):
    """The statements that this thread sends meanwhile, with their values: caches look aside."""
    found, here = [], threading.get_ident()

    def note(_connection, _cursor, statement, values, _context, _many):
        if threading.get_ident() == here:
            found.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
