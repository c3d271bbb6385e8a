"""What comes to the internal listener: programs of one's own machines. No web page, and nothing through a proxy.

A web page that is open on a machine near the listener can send requests there, and with a name of its own that
leads to the listener's address it could even read the answers. Such requests stop here, whatever they ask.
"""

from http import HTTPStatus

from flask import Flask, abort, request

from identity.network_settings import SOCKET
from identity.networks import has_passed_a_proxy, host_name, read_address
from identity.problems import CredentialNeeded, NotAllowed
from identity.settings import is_loopback

from .api_guards import calling_homeserver
from .request_context import services

FROM_A_PAGE = ("origin", "sec-fetch-", "access-control-request-")
WITH_JSON = {
    "POST",
    "PUT",
    "PATCH",
}  # no form has this content type, and no page without asking first


def register(app: Flask) -> None:
    app.before_request(check)


def check() -> None:
    """Raises NotAllowed, CredentialNeeded; aborts with 415."""
    if any(name.lower().startswith(FROM_A_PAGE) for name, _ in request.headers):
        raise NotAllowed("Web pages are not answered here.")
    leads_somewhere = request.endpoint is not None
    if leads_somewhere and request.method in WITH_JSON and request.mimetype != "application/json":
        abort(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    fault = _fault()
    if fault and calling_homeserver() is None:
        raise CredentialNeeded(fault)


def _fault() -> str:
    """Why only a homeserver's credential helps here, empty if it is not needed."""
    if has_passed_a_proxy(name for name, _ in request.headers):
        return "A homeserver credential is needed behind a proxy."
    if not _is_ours(host_name(request.headers.get("Host"))):
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
    own = host_name(settings.internal_listen)
    ip, own_ip = read_address(host), read_address(own)
    if own_ip is not None and own_ip.is_unspecified:
        return (
            ip is not None
        )  # each of its addresses; a page that comes back under its own has a name
    return bool(host) and (host == own or (ip is not None and ip == own_ip))
