"""Whatever stands in a query or in the Host header, no page breaks, and none sends a browser to another host."""

from urllib.parse import urlsplit

import pytest
from flask import url_for

from tests.worlds.pages import *
from tests.worlds.pages import GIL
from tests.worlds.visitors import heading

KEYS = [
    "_external",
    "_scheme",
    "_anchor",
    "_method",
    "endpoint",
    "values",
    "self",
    "name",
    "status",
    "faults",
    "language",
    "t",
    "page",
    "lang",
    "q",
    "notice",
    "n",
    "token",
    "list_id",
    "client_url",
    "next",
    "%00",
    "%ed%a0%80",
    "é",
    "a" * 2000,
    "",
]
VALUES = ["1", "https", "//evil.example/", "javascript:alert(1)", "", "%00", "%ff", "é", "9" * 400]
HOSTS = ["evil.example", "evil.example:99999", "[", "127.0.0.1@evil.example", "é", ""]


@pytest.fixture
def paths(site, ana) -> list[str]:
    """Every page that is looked at, with something behind each of its links and numbers."""
    ana.start()
    site.invited(address=GIL)
    tokens = {
        "v": site.link(),
        "n": site.link(purpose="not_me"),
        "i": site.mailed(),
        "d": site.mailed(purpose="opt_out"),
    }
    found = []
    for rule in site.app.url_map.iter_rules():
        if "GET" not in rule.methods or rule.rule.startswith("/_matrix/identity/v2/pubkey"):
            continue
        parts = rule.rule.split("/")
        if parts[1] in tokens and "token" in rule.arguments:
            found.append(tokens[parts[1]])
        else:
            found.append("/".join("1" if "<" in part else part for part in parts))
    assert {"/my-server", "/mon-serveur", "/start", "/check/1"} <= set(found)
    return found


def leads_away(answer) -> bool:
    location = answer.headers.get("Location", "")
    parts = urlsplit(location)
    return bool(parts.scheme or parts.netloc) or location.startswith(("//", "/\\", "\\"))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key[:12] or "none")
def test_no_key_of_a_query_breaks_a_page_or_leads_away(ana, paths, key):
    for path in paths:
        for value in VALUES:
            answer = ana.client.get(f"{path}?{key}={value}", headers={"Host": "evil.example"})
            assert answer.status_code < 500, f"{path}?{key}={value}"
            assert not leads_away(answer), f"{path}?{key}={value}: {answer.location}"
            assert "evil.example/" not in answer.text.replace("//evil.example/", "").replace(
                "%2F%2Fevil.example%2F", ""
            ), path


@pytest.mark.parametrize("host", HOSTS)
def test_no_page_believes_the_host_header(ana, paths, host):
    written = host.encode().decode("latin-1")
    for path in ["", *paths, *(f"/{path}" for path in paths), *(f"{path}/" for path in paths)]:
        answer = ana.client.get(
            "/", headers={"Host": written}, environ_overrides={"PATH_INFO": path}
        )
        assert answer.status_code < 500, path
        assert not leads_away(answer), f"{path}: {answer.location}"
        assert "evil.example" not in answer.text, path


@pytest.mark.parametrize("query", ["_external=1", "_scheme=ftp&_external=1", "endpoint=x", "q=x"])
@pytest.mark.parametrize("path", ["/my-server", "/mon-serveur"])
def test_the_page_about_servers_takes_its_own_words_from_a_query_and_no_others(ana, path, query):
    answer = ana.client.get(f"{path}?{query}", headers={"Host": "evil.example"})
    assert answer.status_code in {200, 303, 400}
    if answer.status_code == 303:
        assert answer.location in {"/my-server", "/my-server?q=x"}


@pytest.mark.parametrize("path", ["//evil.example/", "/%2Fevil.example/", "///evil.example/v/x"])
def test_a_path_that_looks_like_a_host_is_a_page_that_is_not_there(ana, path):
    answer = ana.get_as_written(path)
    assert (answer.status_code, heading(answer)) == (404, "Cette page n’existe pas")


def test_an_absolute_address_of_the_framework_begins_with_the_public_url(site):
    with site.app.test_request_context(headers={"Host": "evil.example"}):
        assert url_for("pages.home", _external=True) == f"{site.services.settings.public_url}/"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/_matrix//identity/v2", "//_matrix/identity/v2", "/api//x"])
def test_no_program_is_sent_to_the_host_it_named(ana, path, method):
    raw = {"PATH_INFO": path}
    answer = ana.client.open(method=method, headers={"Host": "evil.example"}, environ_overrides=raw)
    assert answer.status_code in {200, 404, 405}
    assert "Location" not in answer.headers
