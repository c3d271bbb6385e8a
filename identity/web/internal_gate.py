"""Refuses requests to the internal listener that come from a web page or through a proxy.

The listener answers homeservers in its networks without a credential. A web page open in a browser
there can send requests too and, with DNS rebinding, even read the answers. Such requests are
refused.
"""

from http import HTTPStatus

from flask import abort, request

from identity.network_settings import SOCKET
from identity.networks import has_passed_a_proxy, read_address, read_host_name
from identity.problems import CredentialNeeded, NotAllowed
from identity.settings import is_loopback

from .guards import calling_homeserver
from .request_context import services

FROM_A_PAGE = ("origin", "sec-fetch-", "access-control-request-")
# Forms cannot send the content type application/json, and scripts only after a CORS preflight.
WITH_JSON = {"POST", "PUT", "PATCH"}


def check() -> None:
    """Raise NotAllowed or CredentialNeeded, or abort with 415 for a body that is not JSON."""
    if any(name.lower().startswith(FROM_A_PAGE) for name, _ in request.headers):
        raise NotAllowed("Web pages are not answered here.")
    is_known_path = request.endpoint is not None
    if is_known_path and request.method in WITH_JSON and request.mimetype != "application/json":
        abort(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    fault = _fault()
    if fault and calling_homeserver() is None:
        raise CredentialNeeded(fault)


def _fault() -> str:
    """Why this request needs a homeserver's credential; empty if it does not."""
    if has_passed_a_proxy(name for name, _ in request.headers):
        return "A homeserver credential is needed behind a proxy."
    if not _is_ours(read_host_name(request.headers.get("Host"))):
        return "A homeserver credential is needed under this name (GUICHET_INTERNAL_HOSTS)."
    return ""


def _is_ours(host: str) -> bool:
    settings = services.settings
    if settings.internal_hosts:
        return host in settings.internal_hosts
    if is_loopback(host):
        return True
    if settings.internal_listen.startswith(SOCKET):
        return False
    own = read_host_name(settings.internal_listen)
    ip, own_ip = read_address(host), read_address(own)
    if own_ip is not None and own_ip.is_unspecified:
        # Any address of this machine; DNS rebinding always uses a name.
        return ip is not None
    return bool(host) and (host == own or (ip is not None and ip == own_ip))
