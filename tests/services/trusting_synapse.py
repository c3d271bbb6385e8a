"""Synapses that speak TLS to one another and to our identity server, all certified by the suite's authority."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .certificates import Authority
from .synapse import Homeserver
from .waiting import LOOPBACK, free_port


class TrustingHomeserver(Homeserver):
    """Federates over TLS under its server name `localhost:PORT`; clients ask it over plain HTTP at `url`."""

    def __init__(self, folder: Path, authority: Authority, **further: Any) -> None:
        self.authority = authority
        self.federation_port = free_port()
        super().__init__(folder, **further)
        self.server_name = f"localhost:{self.federation_port}"

    @property
    def federation_url(self) -> str:
        return f"https://{self.server_name}"

    def _settings(self) -> dict[str, Any]:
        certificate = self.authority.issue("localhost", LOOPBACK)
        federation = {
            "port": self.federation_port,
            "type": "http",
            "tls": True,
            "bind_addresses": [LOOPBACK],
            "resources": [{"names": ["federation"]}],
        }
        settings = super()._settings()
        return settings | {
            "server_name": f"localhost:{self.federation_port}",
            "listeners": [*settings["listeners"], federation],
            "tls_certificate_path": str(certificate.certificate),
            "tls_private_key_path": str(certificate.key),
            "federation_custom_ca_list": [str(self.authority.ca_file)],
            "rc_invites": {
                name: {"per_second": 10_000, "burst_count": 10_000}
                for name in ("per_room", "per_user", "per_issuer")
            },
        }

    def _environment(self) -> dict[str, str]:
        # Its client for identity servers trusts what OpenSSL trusts, and no setting of its own.
        return super()._environment() | {"SSL_CERT_FILE": str(self.authority.ca_file)}


@pytest.fixture(scope="module")
def trusting_synapses(tmp_path_factory, authority) -> Iterator[tuple[TrustingHomeserver, ...]]:
    """Two of them, for the tests of one file."""
    made = tuple(
        TrustingHomeserver(tmp_path_factory.mktemp(name), authority) for name in ("one", "two")
    )
    try:
        for homeserver in made:
            homeserver.start()
        yield made
    finally:
        for homeserver in made:
            homeserver.end()
