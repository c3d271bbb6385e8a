"""Small HTTP servers of tests: each on a thread of its own, and gone as soon as they are told to stop."""

import socket
import threading
import time
from socketserver import BaseServer

NOTICES = 0.02  # seconds until it sees that it shall stop; the library's own half a second adds up


def serve(server: BaseServer) -> threading.Thread:
    """Answers until `server.shutdown()`."""
    thread = threading.Thread(target=server.serve_forever, args=[NOTICES], daemon=True)
    thread.start()
    return thread


def serve_once(answer, *, pause=0.0):
    """A server of one connection that answers these bytes, one by one if there is a pause."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        with listener, listener.accept()[0] as connection:
            try:
                connection.recv(65536)
                for piece in (answer[i : i + 1] for i in range(len(answer))) if pause else [answer]:
                    connection.sendall(piece)
                    time.sleep(pause)
            except OSError:
                return

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
