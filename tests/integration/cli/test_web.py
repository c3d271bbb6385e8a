"""`guichet web`, the process of the units: how it is called, and what it refuses to start with."""

import contextlib
import os
import signal
import socket
import stat
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from identity.command.web_server import Tls, clear_socket, granian
from identity.settings import WrongSettings
from tests.services.keys import WORKER_KEYS
from tests.services.waiting import LOOPBACK, port_answers, wait_for
from tests.worlds.command_line import *


@pytest.mark.parametrize(
    ("listen", "host"),
    [
        ("127.0.0.1:8000", "127.0.0.1"),
        ("localhost:8000", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        (":8000", "0.0.0.0"),
        ("0.0.0.0:8000", "0.0.0.0"),
    ],
)
def test_a_host_is_given_to_granian_as_an_address(listen, host):
    command = granian("asgi:app", listen)
    assert command[command.index("--host") + 1] in {host, "::1", "::"}
    assert command[command.index("--port") + 1] == "8000"


def test_a_host_that_does_not_exist_is_named():
    with pytest.raises(WrongSettings, match=r"nowhere\.invalid"):
        granian("asgi:app", "nowhere.invalid:8000")


def test_a_unix_socket_is_for_the_group_and_a_left_over_one_is_replaced(tmp_path):
    path = tmp_path / "x.sock"
    command = granian("asgi:internal", f"unix:{path}")
    assert command[command.index("--uds") + 1] == str(path)
    mode = int(command[command.index("--uds-permissions") + 1], 8)
    assert mode & (stat.S_IRWXO | stat.S_IRWXG) == stat.S_IRGRP | stat.S_IWGRP
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
    clear_socket(f"unix:{path}")
    assert not path.exists()
    clear_socket(f"unix:{path}")
    clear_socket("127.0.0.1:8000")


@pytest.mark.parametrize(
    ("form", "password", "told"),
    [
        (PrivateFormat.PKCS8, None, None),
        (PrivateFormat.TraditionalOpenSSL, None, None),
        (PrivateFormat.PKCS8, b"secret", "password"),
        (None, None, "no PEM key"),
    ],
)
def test_the_key_of_tls_is_looked_at_before_anything_starts(tmp_path, form, password, told):
    path, key = tmp_path / "key.pem", ec.generate_private_key(ec.SECP256R1())
    hidden = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, form, hidden) if form else b"no key")
    tls = Tls("cert.pem", str(path))
    if told:
        with pytest.raises(WrongSettings, match=told):
            granian("asgi:app", "127.0.0.1:8000", tls=tls)
    else:
        assert str(path) in granian("asgi:app", "127.0.0.1:8000", tls=tls)


def test_a_taken_address_is_named(run):
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = f"{LOOPBACK}:{other.getsockname()[1]}"
        refused = run("web", "--listen", taken, ends=1)
    assert taken in refused.stderr
    assert "--listen" in refused.stderr


def test_the_internal_listener_needs_an_address(run):
    refused = run("web", "--internal", ends=1, env={"GUICHET_INTERNAL_LISTEN": ""})
    assert "GUICHET_INTERNAL_LISTEN" in refused.stderr


def test_the_web_does_not_start_with_the_keys_of_the_worker(run):
    refused = run("web", ends=1, env=WORKER_KEYS)
    assert "GUICHET_HOMESERVER_PUBLIC_KEY" in refused.stderr


def test_a_certificate_needs_its_key(run, tmp_path):
    (tmp_path / "cert.pem").write_text("x")
    refused = run("web", "--tls-certificate", str(tmp_path / "cert.pem"), ends=2)
    assert "go together" in refused.stderr


@pytest.mark.faults
@pytest.mark.processes
def test_a_killed_process_is_replaced_and_nobody_stays_behind_a_killed_main_process(
    guichet_processes, record_fault
):
    guichet_processes.guichet("db", "upgrade", env={})
    web = guichet_processes.web({})
    [killed] = children_of(web.pid)
    begun = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    web.wait_until(lambda: killed not in children_of(web.pid), what="granian sees it")
    web.wait_until_up()
    record_fault(
        "processes: web process killed", tried=1, survived=1, seconds=time.monotonic() - begun,
        said="replaced; the log has it",
    )  # fmt: skip
    assert "Unexpected exit" in web.log
    left = children_of(web.pid)
    assert left
    os.kill(web.pid, signal.SIGKILL)
    web.process.wait()
    wait_for(lambda: not port_answers(urlsplit(web.url).port), what="nobody listens any more")
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), what="it is gone")


def children_of(pid: int) -> list[int]:
    """Its processes that serve: multiprocessing's tracker of resources is one more child."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


@pytest.mark.processes
def test_gunicorn_serves_the_site_too(guichet_processes):
    guichet_processes.guichet("db", "upgrade", env={})
    options = ("--worker-class", "gthread", "--threads", "2", "--no-control-socket")
    assert guichet_processes.gunicorn({}, *options).url
