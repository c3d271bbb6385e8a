"""A Guichet that real Synapses use as their identity server: its settings, the homeservers it knows, its start by TLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from .certificates import Authority
from .processes import Processes, Web
from .smtp import Relay
from .synapse import Homeserver
from .trusting_synapse import TrustingHomeserver
from .waiting import free_port, port_answers, wait_for


def identity_server_settings(relay: Relay, **more: str) -> dict[str, str]:
    """At an address of its own, `GUICHET_PUBLIC_URL`, beside the name it has for good."""
    port = free_port()
    return {
        "GUICHET_PUBLIC_URL": f"https://localhost:{port}",
        "GUICHET_SERVER_NAME": "is.example",
        "GUICHET_SERVER_ALIASES": f"localhost:{port}",
        "GUICHET_SMTP_URL": relay.url,
        "GUICHET_MAIL_FROM": "Guichet <bonjour@guichet.example>",
        "GUICHET_INTERNAL_LISTEN": "",
        **more,
    }


def serve_by_tls(processes: Processes, env: dict[str, str], authority: Authority) -> Web:
    """`guichet serve` at its public URL, ready when this returns; started again, it goes on with what it had."""
    url = env["GUICHET_PUBLIC_URL"]
    port = urlsplit(url).port
    # The processes of one that was killed end by themselves, a moment later.
    wait_for(lambda: not port_answers(port), what="the port is free")
    certificate = authority.issue("localhost", "127.0.0.1")
    tls = ("--tls-certificate", str(certificate.certificate), "--tls-key", str(certificate.key))
    web = processes.start("guichet", "serve", "--port", str(port), *tls, env=env, kind=Web)
    web.url = url
    web.wait_until_up()
    web.wait_for_log("Stop with Ctrl-C")
    return web


@contextmanager
def trusted(authority: Authority) -> Iterator[None]:
    """What this process asks by TLS is trusted, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
        yield


def add_homeserver(
    processes: Processes, env: dict[str, str], homeserver: Homeserver, *more: str, url: str = ""
) -> None:
    """Where Guichet makes the accounts. `url`: where it asks the homeserver, unless at its own."""
    secret, token = processes.folder / "secret", processes.folder / "token"
    secret.write_text(homeserver.registration_secret)
    token.write_text(homeserver.admin_token)
    where = ["--url", url or homeserver.url]
    if isinstance(homeserver, TrustingHomeserver):
        where += ["--federation-url", homeserver.federation_url]
        where += ["--ca-file", str(homeserver.authority.ca_file)]
    processes.guichet(
        *("homeserver", "add", homeserver.server_name, *where, "--connector", "synapse"),
        *("--registration-secret-file", str(secret), "--admin-token-file", str(token), *more),
        env=env,
    )
