"""A web page open on the operator's machine, in a real Chromium, binds nothing through the internal listener."""

import shutil

import pytest
from sqlalchemy import func, select
from werkzeug.serving import WSGIRequestHandler, make_server

from identity.app import create_app
from identity.threepids.associations import Association
from tests.services.serving import serve
from tests.services.waiting import LOOPBACK, free_port
from tests.worlds.api import *

BODY = (
    '{"medium": "email", "address": "ana@ac-rouen.example", "mxid": "@mallory:education.example"}'
)
ATTACK = "/attack"
# Each is what a page of another site can try; it gives what it learned of the answer.
TRIES = {
    "fetch without asking": "await fetch(url, {method: 'POST', mode: 'no-cors', body}).then(r => r.type)",
    "fetch with a text type": (
        "await fetch(url, {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body})"
        ".then(r => r.type)"
    ),
    "fetch as JSON": (
        "await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json'}, body})"
        ".then(r => r.text())"
    ),
    "a blob of JSON": (
        "await fetch(url, {method: 'POST', mode: 'no-cors', "
        "body: new Blob([body], {type: 'application/json'})}).then(r => r.type)"
    ),
    "a beacon": "String(navigator.sendBeacon(url, body))",
}


class Telling(WSGIRequestHandler):
    """Prints nothing; the application keeps what came."""

    def log(self, *args) -> None:
        pass


@pytest.fixture
def asked() -> list[tuple[str, str]]:
    """Method and status of every request that came to the listener."""
    return []


@pytest.fixture
def listener(decided, asked):
    app = create_app(decided, listener="internal")

    def noted(environ, start_response):
        if environ["PATH_INFO"] == ATTACK:
            return empty(environ, start_response)

        def start(status, headers, *more):
            asked.append((environ["REQUEST_METHOD"], status[:3]))
            return start_response(status, headers, *more)

        return app(environ, start)

    yield from serving(noted)


@pytest.fixture
def page(browser_contexts):
    """A page of another site: another port is another origin."""

    for url in serving(empty):
        opened = browser_contexts().new_page()
        opened.goto(url)
        yield opened


def empty(_environ, start_response):
    """A page of somebody else's."""
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><title>evil</title>"]


def serving(application):
    port = free_port()
    server = make_server(LOOPBACK, port, application, threaded=True, request_handler=Telling)
    thread = serve(server)
    yield f"http://{LOOPBACK}:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


def bound(services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Association))


@pytest.mark.parametrize("name", TRIES)
def test_a_page_of_another_site_binds_nothing(page, listener, decided, asked, name):
    url = f"{listener}/_matrix/identity/internal/bind"
    learned = page.evaluate(
        f"async ([url, body]) => {{ try {{ return {TRIES[name]} }} catch (e) {{ return 'refused' }} }}",
        [url, BODY],
    )
    assert learned in {"refused", "opaque", "true"}
    assert bound(decided) == 0
    assert {status for _, status in asked} <= {"403"}


def test_a_form_of_another_site_binds_nothing(page, listener, decided, asked):
    """Its one field, sent as text, is a JSON object."""
    name = BODY[:-1] + ', "x": "'
    with page.expect_navigation():
        page.evaluate(
            """([url, name]) => {
                const form = document.createElement('form');
                form.method = 'POST'; form.action = url; form.enctype = 'text/plain';
                const field = document.createElement('input');
                field.name = name; field.value = '"}'; form.append(field);
                document.body.append(form); form.submit();
            }""",
            [f"{listener}/_matrix/identity/internal/bind", name],
        )
    assert asked == [("POST", "403")]
    assert bound(decided) == 0


def test_a_name_of_the_page_s_own_that_leads_here_opens_nothing(chromium, listener, decided, asked):
    """DNS rebinding: the browser believes that the listener is the page's own site."""
    port = listener.rpartition(":")[2]
    browser = chromium.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=[
            "--no-sandbox",
            "--disable-gpu",
            f"--host-resolver-rules=MAP evil.example {LOOPBACK}",
        ],
    )
    try:
        opened = browser.new_page()
        # The name led to the attacker's own server when this page came, and leads here from now on.
        opened.goto(f"http://evil.example:{port}{ATTACK}")
        ask = "async ([path, how]) => (await fetch(path, how)).status"
        info = "/_matrix/identity/api/v1/info?medium=email&address=ana@ac-rouen.example"
        assert opened.evaluate(ask, [info, {}]) == 403
        how = {"method": "POST", "body": BODY, "headers": {"Content-Type": "application/json"}}
        assert opened.evaluate(ask, ["/_matrix/identity/internal/bind", how]) == 403
    finally:
        browser.close()
    assert bound(decided) == 0
    assert ("POST", "403") in asked
