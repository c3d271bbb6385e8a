"""This console as browsers know it for passkeys, and whether it offers any."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from identity.networks import read_address

LIBRARY: Final = "webauthn"
OWN_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Site:
    """A relying party (WebAuthn Level 3, section 4)."""

    rp_id: str
    """The domain that passkeys are made for, without port."""
    origin: str
    """What a browser says where it is: scheme, host, and a port that is not the scheme's own."""
    name: str


def offered_at(origin: str, service_name: str) -> Site | None:
    """The console at this URL; None where no passkey works: without the library, or at an address without a name.

    A passkey belongs to a domain, and browsers make none for an IP address: a trial installation
    has them at `localhost` and not at `127.0.0.1`.
    """
    if find_spec(LIBRARY) is None:
        return None
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port
    if read_address(host) is not None:
        return None
    own = "" if port in {None, OWN_PORTS[parts.scheme]} else f":{port}"
    return Site(host, f"{parts.scheme}://{host}{own}", f"{service_name} console")
