"""Small HTTP servers of tests: each on a thread of its own, and gone as soon as they are told to stop."""

import threading
from socketserver import BaseServer

NOTICES = 0.02  # seconds until it sees that it shall stop; the library's own half a second adds up


def serve(server: BaseServer) -> threading.Thread:
    """Answers until `server.shutdown()`."""
    thread = threading.Thread(target=server.serve_forever, args=[NOTICES], daemon=True)
    thread.start()
    return thread
