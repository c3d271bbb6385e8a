"""The sample proxy in front of a real Guichet: links open, callers are told apart, and no log holds a token."""

import json
import re
import socket
import ssl
import warnings
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from pydantic import SecretStr

from identity.core.tokens import Tokens
from tests.services.person import Person, link_in
from tests.services.processes import Web
from tests.services.waiting import LOOPBACK, free_port, wait_for

ADDRESS = "camille.durand@ac-rouen.example"
FEW = 9
PURPOSES = {"v": "verify", "n": "not_me", "i": "invitation", "d": "opt_out", "r": "verify"}


@pytest.fixture
def guichet(processes_of_file) -> Web:
    """One for the tests of this file, unless a test has killed it. Each test has tokens of its own."""
    if not (processes_of_file.started and processes_of_file.started[-1].running):
        processes_of_file.serve({"GUICHET_TRUSTED_PROXIES": "127.0.0.1/32"})
    return processes_of_file.started[-1]


@pytest.fixture
def tokens(processes_of_file, guichet) -> Tokens:
    kept = json.loads((processes_of_file.folder / "var/keys.json").read_text())
    return Tokens([SecretStr(key) for key in kept["secret_keys"]])


@pytest.fixture
def link(guichet) -> str:
    """The path of the link of a real mail."""
    camille = Person(guichet.url)
    camille.ask(ADDRESS)

    def mailed():
        mails = camille.session.get(f"{guichet.url}/dev/mail.json", timeout=60).json()
        return [mail["text"] for mail in mails if mail["to"] == ADDRESS]

    return urlsplit(link_in(wait_for(mailed, what="the mail", within=90)[0])).path


def ways_to(letter: str) -> list[str]:
    """What may stand before the token, and mean the same path, or nearly."""
    code = f"%{ord(letter):02x}"
    return [
        f"/{letter}/",
        f"//{letter}/",
        f"/{letter}//",
        f"///{letter}///",
        f"/{code}/",
        f"/{code.upper()}/",
        f"/./{letter}/",
        f"/{letter}/./",
        f"/x/../{letter}/",
        f"/x/..%2f{letter}/",
        f"/{letter}%2f",
        f"/%2f{letter}/",
        f"/%2e/{letter}/",
        f"/{letter.upper()}/",
        f"/%25{ord(letter):02x}/",
        f"/{letter};x/",
        f"/{letter}%00/",
        f"/x%0A/{letter}/",
        f"/fr/{letter}/",
        f"/_matrix/{letter}/",
        f"/redirect/https://guichet.example.org/{letter}/",
        f"https://guichet.example.org/{letter}/",
        f"/{letter}",
        "/",
        "/start?next=/v/",
        "/start#/v/",
    ]


def spelled(letter: str, token: str) -> list[str]:
    """One link in every spelling that programs on the way, or people who play, have for it."""
    encoded = "".join(f"%{ord(each):02X}" for each in token)
    twice = "".join(f"%25{ord(each):02X}" for each in token)
    prefixes = ways_to(letter)
    ends = [
        "",
        "/",
        ".",
        ">",
        ").",
        "?utm_source=mail",
        "&utm=x",
        "%20et%20la%20suite",
        "%0A",
        "%ff",
    ]
    half = len(token) // 2
    return [
        *(f"{prefix}{token}" for prefix in prefixes),
        *(f"{prefix}{encoded}" for prefix in prefixes),
        *(f"/{letter}/{token}{end}" for end in ends),
        f"/x/{twice}",
        f"/{letter}/{token[:half]}%{ord(token[half]):02x}{token[half + 1 :]}",
        f"/{letter}/{token[:half]}/{token[half:]}",
        f"/{letter}/{token[:half]} {token[half:]}",
        f"/{letter}/{token}\x01",
        f"/{letter}/{token}{'x' * 9000}",
    ]


def told(log: str, token: str) -> list[str]:
    """What a log holds of a token beyond its first four characters, however it wrote them."""
    written = {log, unquote(log), unquote(unquote(log))}
    pieces = [token[:5], *(token[at : at + 8] for at in range(len(token) - 7))]
    return [piece for piece in pieces if any(piece in each for each in written)]


def test_the_web_server_itself_keeps_tokens_out_of_its_log(guichet, tokens):
    token = tokens.link(uuid4(), "verify")
    for request in (
        f"GET /v/{token} HTTP/9.9\r\n\r\n",
        f"GET /v/{token} and more HTTP/1.1\r\n\r\n",
        f"G@T /v/{token} HTTP/1.1\r\n\r\n",
        f"GET /v/{token}{'x' * 9000} HTTP/1.1\r\n\r\n",
        f"GET /v/{token} HTTP/1.1\r\nHost: a\r\nBad header\r\n\r\n",
        f"GET / HTTP/1.1\r\nReferer : /v/{token}\r\n\r\n",
        f"GET /%76/{token} HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\n",
    ):
        with socket.create_connection((LOOPBACK, urlsplit(guichet.url).port), 30) as talk:
            talk.sendall(request.encode())
            answer = talk.recv(100)
            assert answer[9:12] in {b"400", b"404", b"414", b"431", b"505"}, request
    assert not told(guichet.log, token)


def test_links_open_through_the_proxy_with_anything_behind_the_token(guichet, nginx, link):
    proxy = nginx(guichet.url)
    letter, token = link[1], link[3:]
    title = page_title(proxy.ask(link))
    assert title
    ends = [
        "",
        ".",
        ",",
        "%3E",  # browsers send a > so
        ")",
        "]",
        "/",
        "//x",
        "%20",
        "%20Camille",
        "&utm=1",
        "?utm=1",
        "=",
        "Ce",
    ]
    for written in (
        *(link + end for end in ends),
        f"//{link[1:]}",
        f"/./{link[1:]}",
        f"/%76/{token}",
    ):
        answer = proxy.ask(written)
        if answer.startswith(b"HTTP/1.1 303"):
            assert f"\r\nlocation: {link}\r\n".encode() in answer
        else:
            assert page_title(answer) == title, written
    assert letter == "v"


def test_the_proxy_leads_to_the_site_of_its_own_name_and_shows_nothing_of_the_operators(
    guichet, nginx
):
    proxy = nginx(guichet.url)
    answer = proxy.ask("/start?lang=en", clear=True)
    assert b"Location: https://guichet.example.org/start?lang=en\r\n" in answer
    for path in ("/readyz", "//readyz", "/./readyz", "/%72eadyz", "/metrics", "/dev/mail"):
        assert proxy.ask(path).startswith(b"HTTP/1.1 404"), path


def test_while_guichet_is_away_people_and_programs_are_told_to_try_again(nginx):
    """Nobody listens behind the proxy."""
    proxy = nginx(f"http://{LOOPBACK}:{free_port()}")
    for path, kind, told in (
        ("/start", "text/html; charset=utf-8", "Réessayez dans une minute"),
        ("/v/xyzxyzxyzxyzxyzxyzxyz", "text/html; charset=utf-8", "the links in your mails"),
        ("/_matrix/identity/v2/account", "application/json", '"errcode":"M_UNKNOWN"'),
        ("/api/homeserver/v1/rules", "application/json", '"errcode":"M_UNKNOWN"'),
    ):
        head, _, body = proxy.ask(path).decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 503"), path
        assert f"Content-Type: {kind}" in head
        assert "Retry-After: 30" in head
        assert "Cache-Control: no-store" in head
        assert told in body
    assert '"GET /start" 503' in proxy.logged
    assert '"GET /v/xyzx..." 503' in proxy.logged
    # They are answers, no pages of their own.
    assert proxy.ask("/away.html").startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("newest", "is_taken"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
    ids=["TLS 1.1", "TLS 1.2", "TLS 1.3"],
)
def test_old_versions_of_tls_are_refused(nginx, newest, is_taken):
    proxy = nginx(f"http://{LOOPBACK}:{free_port()}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    with socket.create_connection((LOOPBACK, proxy.port), 30) as raw:
        if not is_taken:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(raw)
            return
        with context.wrap_socket(raw) as talk:
            assert talk.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[newest.name]


def test_the_proxy_names_each_request_and_both_logs_have_the_name(guichet, nginx):
    proxy = nginx(guichet.url)
    answer = proxy.ask("/start", **{"X-Request-ID": "of-the-caller-itself"})
    named = re.search(rb"^X-Request-ID: ([0-9a-f]{32})\r$", answer, re.MULTILINE | re.IGNORECASE)
    name = named[1].decode()
    guichet.wait_for_log(name)
    wait_for(lambda: name in proxy.logged, what="the proxy logged it, too")
    assert "of-the-caller" not in guichet.log


def test_no_log_holds_a_token_however_the_path_is_spelled(guichet, nginx, tokens):
    proxy = nginx(guichet.url)
    made = {letter: tokens.link(uuid4(), purpose) for letter, purpose in PURPOSES.items()}
    for letter, token in made.items():
        # The configuration does not tell one letter from another: one is tried in full.
        for target in spelled(letter, token)[: None if letter == "v" else FEW]:
            proxy.ask(target, Referer=f"https://guichet.example.org/{letter}/{token}")
        for target in spelled(letter, token)[:FEW]:
            proxy.ask(target, clear=True)
    asked = proxy.logged
    guichet.kill()
    for letter, token in made.items():
        assert proxy.ask(f"/{letter}/{token}").startswith(b"HTTP/1.1 503")
        proxy.ask(f"//{letter}/{token}")
    assert '"GET /start" ' in asked
    for letter, token in made.items():
        assert f"/{letter}/{token[:4]}..." in asked
        assert not told(proxy.logged, token)
        assert not told(guichet.log, token)


def page_title(answer: bytes) -> str:
    status, _, rest = answer.partition(b"\r\n")
    assert b" 200 " in status, status
    return rest.decode().partition("<title>")[2].partition("</title>")[0]
