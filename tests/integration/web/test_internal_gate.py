"""The internal listener answers programs of one's own machines: no web page, nothing through a proxy, no foreign name."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from identity.app import create_app
from identity.settings import Settings
from identity.threepids.associations import Association
from tests.worlds.api import *
from tests.worlds.api import ask

ADDRESS = "ana@ac-rouen.example"
BIND = "/_matrix/identity/internal/bind"
BODY = {"medium": "email", "address": ADDRESS, "mxid": "@mallory:education.example"}

PROXY_HEADERS = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Forwarded",
    "Forwarded-For",
    "X-Original-Forwarded-For",
    "Via",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Client-IP",
    "True-Client-IP",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "X-Remote-Addr",
    "X-Originating-IP",
    "X-Original-Host",
    "X-Original-URL",
    "X-Envoy-External-Address",
    "X-Azure-ClientIP",
    "X-Amzn-Trace-Id",
    "X-ARR-LOG-ID",
    "CF-Connecting-IP",
    "CF-Ray",
    "CDN-Loop",
    "Proxy-Connection",
    "X-ProxyUser-Ip",
    "X-NginX-Proxy",
    "X-Via",
    "X-Squid-Via-Port",
    "X-Http-Forwarded-For",
    "X-Sent-By-Proxy",
    "x-forwarded-for",
    "VIA",
]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8091",
    "guichet.example",
    "127.0.0.1.nip.example",
    "localhost.evil.example",
    "notlocalhost",
    "203.0.113.5:8091",
    "10.0.0.1",
    "[2001:db8::1]:8091",
    "127.0.0.1, evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1/evil.example",
    "[::1",
    "",
]


def bind(client, **headers):
    return client.post(BIND, json=BODY, headers=headers)


def bound(services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Association))


def listening(decided, **changed):
    """The internal listener of a service with other settings."""
    given = decided.settings.model_dump() | changed
    settings = Settings(_env_file=None, **given)
    return create_app(replace(decided, settings=settings), listener="internal").test_client()


def test_a_program_of_this_machine_binds(internal, decided):
    assert bind(internal).status_code == 200
    assert bound(decided) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost"),
        ("Origin", ""),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Mode", "no-cors"),
        ("Sec-Fetch-Dest", "image"),
    ],
)
def test_a_web_page_binds_nothing_and_reads_nothing(internal, decided, credential, name, value):
    for more in ({}, credential):
        assert bind(internal, **{name: value}, **more).status_code == 403
        headers = {name: value, **more}
        assert ask(internal, ADDRESS, path="/internal-info", headers=headers).status_code == 403
    assert bound(decided) == 0


def test_a_page_that_asks_whether_it_may_is_told_nothing(internal):
    asks = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = internal.options(BIND, headers=asks)
    assert answer.status_code == 403
    assert not [name for name in answer.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonx",
        "",
    ],
)
def test_what_a_form_can_send_is_not_read(internal, decided, kind):
    answer = internal.post(BIND, data=json.dumps(BODY), headers={"Content-Type": kind})
    assert (answer.status_code, answer.json["errcode"]) == (415, "M_NOT_JSON")
    assert bound(decided) == 0


@pytest.mark.parametrize("name", PROXY_HEADERS)
def test_a_proxy_of_any_kind_is_refused(internal, decided, name):
    for value in ("127.0.0.1", ""):
        assert bind(internal, **{name: value}).status_code == 403
        headers = {name: value}
        assert ask(internal, ADDRESS, path="/internal-info", headers=headers).status_code == 403
    assert bound(decided) == 0


@pytest.mark.parametrize(
    "name", ["User-Agent", "X-Request-Id", "Accept", "Traceparent", "X-Matrix"]
)
def test_what_programs_say_of_themselves_does_no_harm(internal, name):
    assert bind(internal, **{name: "x"}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_name_that_is_not_the_listeners_is_refused(internal, decided, host):
    assert bind(internal, Host=host).status_code == 403
    headers = {"Host": host}
    assert ask(internal, ADDRESS, path="/internal-info", headers=headers).status_code == 403
    assert bound(decided) == 0


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8091", "LOCALHOST:8091", "localhost.", "[::1]:8091", "x.localhost"],
)
def test_this_machine_has_many_names(internal, host):
    assert bind(internal, Host=host).status_code == 200


@pytest.mark.parametrize(
    ("listen", "host", "status"),
    [
        ("10.0.0.1:8091", "10.0.0.1:8091", 200),
        ("10.0.0.1:8091", "10.0.0.2:8091", 403),
        ("[2001:db8::1]:8091", "[2001:DB8:0::1]:8091", 200),
        ("guichet.internal:8091", "guichet.internal", 200),
        # Every address of this machine is the listener's own; a name could be anybody's.
        ("0.0.0.0:8091", "10.0.0.2:8091", 200),
        ("[::]:8091", "10.0.0.2:8091", 200),
        ("0.0.0.0:8091", "evil.example:8091", 403),
        ("unix:/run/guichet/internal.sock", "localhost", 200),
        ("unix:/run/guichet/internal.sock", "evil.example", 403),
    ],
)
def test_the_listeners_own_address_is_its_name(decided, listen, host, status):
    assert bind(listening(decided, internal_listen=listen), Host=host).status_code == status


def test_the_settings_may_name_others_which_then_stand_alone(decided):
    client = listening(decided, internal_hosts="Guichet.Internal:8091, 10.0.0.5")
    assert bind(client, Host="guichet.internal").status_code == 200
    assert bind(client, Host="10.0.0.5:8091").status_code == 200
    assert bind(client, Host="localhost").status_code == 403


def test_who_shows_a_credential_may_come_under_any_name(internal, credential):
    for header in ({"Host": "guichet.example"}, {"X-Forwarded-For": "203.0.113.7"}):
        headers = credential | header
        assert ask(internal, ADDRESS, path="/internal-info", headers=headers).status_code == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_guessed_credential_opens_nothing(internal, host):
    headers = {"Host": host, "Authorization": "Bearer guess"}
    assert ask(internal, ADDRESS, headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("listen", "status"), [("unix:/run/guichet/internal.sock", 200), ("127.0.0.1:8091", 403)]
)
def test_a_unix_socket_is_near_where_the_settings_say_that_there_is_one(decided, listen, status):
    client = listening(decided, internal_listen=listen)
    assert ask(client, ADDRESS, path="/internal-info", ip="").status_code == status
