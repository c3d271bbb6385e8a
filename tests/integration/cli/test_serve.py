"""Where `guichet serve` listens, and where it refuses to."""

import signal
import socket
import stat

import pytest
import requests

from identity.command import listening
from identity.settings import Settings, WrongSettings
from tests.services.waiting import free_port
from tests.worlds.command_line import *


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "10.0.0.1", "192.0.2.1", "2001:db8::1", "guichet.example"]
)
def test_a_service_without_a_relay_is_not_shown_to_other_machines(run, host):
    for env in ({}, {"GUICHET_PUBLIC_URL": "http://127.0.0.1:8090"}):
        refused = run("serve", "--host", host, ends=1, env=env)
        assert "--host" in refused.stderr
        assert "GUICHET_SMTP_URL" in refused.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_at_home_it_needs_no_relay(host):
    listening.check_exposure(Settings(_env_file=None), host)


def test_with_a_relay_it_may_be_shown():
    given = Settings(_env_file=None, smtp_url="smtp://relay.example:587?tls=starttls")
    listening.check_exposure(given, "0.0.0.0")


def test_a_socket_somebody_listens_on_is_not_taken_from_them(tmp_path):
    path = tmp_path / "internal.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(WrongSettings, match="somebody listens"):
            listening.check_free(f"unix:{path}")
    listening.check_free(f"unix:{path}")  # left over: it is replaced


@pytest.mark.parametrize(("name", "told"), [("file", "no socket"), ("missing/x.sock", "no folder")])
def test_a_place_where_no_socket_can_be_is_named(tmp_path, name, told):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WrongSettings, match=told):
        listening.check_free(f"unix:{tmp_path / name}")


@pytest.mark.parametrize("wrong", ["unix:", "unix:" + "x" * 108, "8091", "127.0.0.1"])
def test_an_internal_listener_that_cannot_be_is_refused_by_name(run, wrong):
    refused = run("config", "check", ends=1, env={"GUICHET_INTERNAL_LISTEN": wrong})
    assert "GUICHET_INTERNAL_LISTEN" in refused.stderr


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [
        ("GUICHET_INTERNAL_HOSTS", "a b"),
        ("GUICHET_INTERNAL_HOSTS", "https://guichet.example"),
        ("GUICHET_TRUSTED_PROXIES", "unix:/run/x"),
        ("GUICHET_TRUSTED_PROXIES", "proxy.example"),
        ("GUICHET_PROXY_HEADER", "x-real-ip"),
        ("GUICHET_INTERNAL_NETWORKS", "unix"),
    ],
)
def test_settings_about_callers_are_refused_by_name(run, variable, wrong):
    assert variable in run("config", "check", ends=1, env={variable: wrong}).stderr


def test_settings_about_callers_are_shown_as_they_are_meant(run):
    env = {
        "GUICHET_TRUSTED_PROXIES": "unix, ::ffff:10.0.0.1, 192.0.2.0/24",
        "GUICHET_INTERNAL_HOSTS": "Guichet.Internal:8091",
    }
    shown = run("config", "show", env=env).stdout
    assert "GUICHET_TRUSTED_PROXIES=unix,10.0.0.1/32,192.0.2.0/24" in shown.replace(", ", ",")
    assert "GUICHET_INTERNAL_HOSTS=guichet.internal" in shown


@pytest.mark.processes
def test_homeservers_ask_through_a_unix_socket_and_no_one_else_can(guichet_processes):
    path = guichet_processes.folder / "internal.sock"
    guichet_processes.serve({"GUICHET_INTERNAL_LISTEN": f"unix:{path}"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    body = b'{"medium": "email", "address": "ana@ac-rouen.example", "mxid": "@a:education.guichet.localhost"}'
    for headers, status in ((b"", b"200"), (b"Origin: http://evil.example\r\n", b"403")):
        with socket.socket(socket.AF_UNIX) as talk:
            talk.connect(str(path))
            talk.sendall(
                b"POST /_matrix/identity/internal/bind HTTP/1.1\r\nHost: localhost\r\n"
                b"Connection: close\r\nContent-Type: application/json\r\n"
                + headers
                + b"Content-Length: %d\r\n\r\n" % len(body)
                + body
            )
            answer = talk.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 " + status), answer


@pytest.mark.processes
def test_the_addresses_are_the_first_that_is_printed_and_what_follows_is_text(guichet_processes):
    port = free_port()
    web = guichet_processes.start(
        "guichet", "serve", "--port", str(port), env={"GUICHET_INTERNAL_LISTEN": ""}
    )
    web.wait_for_log("Stop with Ctrl-C.")
    url = f"http://127.0.0.1:{port}"
    requests.get(f"{url}/start", timeout=60).raise_for_status()
    first, second, *rest = web.log.splitlines()
    assert first == f"Sign-up   {url}/start"
    assert second == f"Mailbox   {url}/dev/mail"
    assert not [line for line in rest if line.startswith("{")]
    assert not [line for line in rest if "superuser" in line or "kombu" in line or "celery" in line]
    assert web.stop(signal.SIGINT) == 0
    assert not [line for line in web.log.splitlines() if "shutdown" in line or "Traceback" in line]
