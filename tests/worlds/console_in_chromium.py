"""The console in a server of this process, and operators in Chromium without JavaScript."""

from contextlib import closing

import pytest
from werkzeug.serving import make_server

from identity.operators import models as operators, sessions
from tests.services.serving import serve
from tests.services.waiting import LOOPBACK, free_port
from tests.worlds.in_chromium import Silent

__all__ = ["console_port", "console_url", "sit_down"]


@pytest.fixture
def console_port() -> int:
    return free_port()


@pytest.fixture
def console_url(app, console_port):
    def whole(environ, start_response):
        # Where a browser hangs up, this server would leave the file open that it was sending.
        with closing(app(environ, start_response)) as answer:
            return [b"".join(answer)]

    server = make_server(LOOPBACK, console_port, whole, threaded=True, request_handler=Silent)
    thread = serve(server)
    yield f"http://{LOOPBACK}:{console_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sit_down(console_url, services, clock, browser_contexts):
    """A page of the browser in which an operator is signed in, and has just proved who they are."""

    def sit_down(operator, *, language="en", script=False, **kind):
        with services.database.transaction() as session:
            found = operators.find(session, operator.id)
            found.language = language
            token = sessions.open_session(session, clock(), found, proved=True)
        context = browser_contexts(
            locale=language, base_url=console_url, java_script_enabled=script, **kind
        )
        context.add_cookies([{"name": "guichet-ops", "value": token, "url": console_url}])
        return context.new_page()

    return sit_down
