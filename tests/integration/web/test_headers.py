"""What every answer to a program says about itself."""

from dataclasses import replace

import pytest

from identity.app import create_app
from tests.worlds.api import *
from tests.worlds.api import API, ask

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Origin, X-Requested-With, Content-Type, Accept, Authorization",
}
BROWSER = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}


def cors(answer) -> dict[str, str]:
    return {k: v for k, v in answer.headers.items() if k.startswith("Access-Control-")}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/info?medium=email&address=a@ac-rouen.example", 200),
        ("HEAD", "/info?medium=email&address=a@ac-rouen.example", 200),
        ("GET", "/info", 400),
        ("OPTIONS", "/info", 200),
        ("POST", "/info", 405),
        ("GET", "", 200),
        ("GET", "/nothing", 404),
    ],
)
def test_clients_in_browsers_may_read_every_answer(public, method, path, status):
    answer = public.open(f"{API}{path}", method=method, headers=BROWSER)
    assert answer.status_code == status
    assert cors(answer) == CORS


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/internal-info", "/internal-info/", "/internal-info?medium=x"])
def test_no_web_page_reads_what_homeservers_are_told(either, method, path):
    assert cors(either.open(f"{API}{path}", method=method, headers=BROWSER)) == {}


@pytest.mark.parametrize("path", ["/internal-info", "/info"])
def test_no_web_page_reads_what_a_homeserver_near_by_is_told(internal, path):
    plain = ask(internal, "a@ac-rouen.example", path=path)
    assert (plain.status_code, cors(plain)) == (200, {})
    answer = ask(internal, "a@ac-rouen.example", path=path, headers=BROWSER)
    assert (answer.status_code, cors(answer)) == (403, {})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/start", "/nowhere"])
def test_what_is_no_matrix_api_is_read_by_no_other_site(public, path):
    assert cors(public.get(path, headers=BROWSER)) == {}


@pytest.mark.parametrize(
    "path", [API, f"{API}/info", f"{API}/internal-info", "/healthz", "/readyz", "/api/x"]
)
def test_nothing_is_kept_guessed_or_framed(either, path):
    answer = either.get(path)
    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers
    assert "Strict-Transport-Security" not in answer.headers


def test_pages_keep_their_own_headers(public):
    assert "form-action 'self'" in public.get("/start").headers["Content-Security-Policy"]


def test_behind_tls_transport_is_strict(decided):
    settings = decided.settings.model_copy(update={"public_url": "https://guichet.example"})
    client = create_app(replace(decided, settings=settings)).test_client()
    assert client.get(API).headers["Strict-Transport-Security"].startswith("max-age=31536000")
