"""The site in a server of this process, and Chromium in front of it."""

from contextlib import closing

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.services.serving import serve
from tests.services.waiting import LOOPBACK, free_port
from tests.worlds.page_states import Walk

__all__ = ["url", "walk"]


class Silent(WSGIRequestHandler):
    """A server that prints nothing."""

    def log(self, *args) -> None:
        pass


@pytest.fixture
def url(site):
    port = free_port()

    def whole(environ, start_response):
        # Where a browser hangs up, this server would leave the file open that it was sending.
        with closing(site.app(environ, start_response)) as answer:
            return [b"".join(answer)]

    server = make_server(LOOPBACK, port, whole, threaded=True, request_handler=Silent)
    thread = serve(server)
    yield f"http://{LOOPBACK}:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def walk(site, url, browser_contexts):
    def open_one(language="fr", **kind):
        desk, phone = (browser_contexts(locale=language, **kind).new_page() for _ in range(2))
        return Walk(site, url, desk, phone, language)

    return open_one
