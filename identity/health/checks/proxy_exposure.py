"""Checks whether a homeserver's proxy and settings close for guests what our module cannot."""

import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from identity.core.findings import Finding, Silent, State, findings_or_silence, found
from identity.core.http_client import JsonClient, quote_path_segment
from identity.hosts import in_ascii

from .exposure import AGENTS_ONLY, CLIENT, NO_SERVER, OK, UNAUTHORIZED, ask

WELL_KNOWN = "/.well-known/matrix/client"
# Sent without an access token, so that it has no effect if it gets through.
FOREIGN: dict[str, object] = {
    "client_secret": "doctor",
    "sid": "0",
    "id_access_token": "",
    "id_server": NO_SERVER,
}
PORTS_OF = {"http": 80, "https": 443}
FOREIGN_REASON = "foreign_identity_server"
PROFILES = "allow_profile_lookup_over_federation"
REMEMBERED = "who_shares_no_room_is_remembered"
FORGETTING = "caches: {per_cache_factors: {does_pair_of_users_share_a_room_joined_or_invited: 0}}"
ALL_ARE_FOUND = "people_search_finds_all"
FINDING_ALL = "user_directory: {enabled: true, search_all_users: true}"
KEYS = "experimental_features: {msc4263_limit_key_queries_to_users_who_share_rooms: true}"


def clients_url(talk: JsonClient) -> str | None:
    """The URL in /.well-known/matrix/client, None without one. Raises Silent."""
    answer = ask(talk, "GET", WELL_KNOWN)
    server = answer.body.get("m.homeserver") if answer and answer.status == OK else None
    url = server.get("base_url") if isinstance(server, dict) else None
    return url if isinstance(url, str) and url else None


def check_clients_url(name: str, *, told: str | None, registered: str) -> Iterator[Finding]:
    """Compare where the homeserver sends clients with the base URL that Guichet has for them.

    Clients follow what they are told: past the proxy, if that is Synapse's own port.
    """
    if told is None:
        return
    if _origin(told) == _origin(registered):
        yield found(name, State.OK, "clients_url", url=told)
    else:
        # The homeserver chose these words: as one word of a command they do nothing else.
        yield found(
            name,
            State.ATTENTION,
            "clients_elsewhere",
            name=name,
            url=told,
            quoted=shlex.quote(told),
            registered=registered,
        )


def _origin(url: str) -> tuple[str, str | None, int | None, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS_OF.get(parts.scheme)
        host = in_ascii(parts.hostname or "")
    except ValueError:  # what a homeserver says may be anything
        return url, None, None, ""
    return parts.scheme, host, port, parts.path.rstrip("/")


def check_proxy(
    talk: JsonClient,
    clients: JsonClient,
    name: str,
    *,
    url: str | None,
    class_source: str,
    token: str | None,
) -> Iterator[Finding]:
    """Check the proxy, the devices shown and the settings that the module tells.

    `talk` uses the URL that Guichet has, `clients` the `url` that Matrix clients are sent to. On a
    homeserver of agents alone there is nothing to close, only people to be found.
    """
    if class_source != "agent":
        if url is not None:
            refusals = _refusals(clients, name, url)
            yield from findings_or_silence(name, "silent_proxy", refusals, url=url)
        elif token is not None:
            yield found(name, State.ATTENTION, "clients_unknown")
        if token is not None:
            yield from findings_or_silence(name, "silent_devices", _keys(talk, name, token))
    if token is not None:
        settings = _settings(talk, name, token, class_source)
        yield from findings_or_silence(name, "silent_settings", settings)


def _refusals(clients: JsonClient, name: str, url: str) -> Iterator[Finding]:
    try:
        foreign = ask(clients, "POST", f"{CLIENT}/account/3pid/bind", body=FOREIGN)
    except Silent:
        foreign = None
    if foreign is None:
        yield found(name, State.ATTENTION, "proxy_unseen", url=url)
        return
    if foreign.body.get("org.guichet.reason") == FOREIGN_REASON:
        yield found(name, State.OK, "proxy_refuses")
    else:
        yield found(name, State.ATTENTION, "proxy_lets_through", url=url)
    # Synapse itself resolves aliases without a token.
    alias = quote_path_segment(f"#guichet-doctor:{name}")
    preview = ask(clients, "GET", f"{CLIENT}/directory/room/{alias}")
    if preview is not None and preview.status == UNAUTHORIZED:
        yield found(name, State.OK, "previews")
    else:
        yield found(name, State.ATTENTION, "previews_open", url=url)


def _keys(talk: JsonClient, name: str, token: str) -> Iterator[Finding]:
    """Query the devices of an unknown user: Synapse names them unless queries are limited."""
    nobody = f"@{NO_SERVER}:{name}"
    answer = ask(
        talk, "POST", f"{CLIENT}/keys/query", token=token, body={"device_keys": {nobody: []}}
    )
    shown = answer.body.get("device_keys") if answer and answer.status == OK else None
    if not isinstance(shown, dict):
        raise Silent
    if nobody in shown:
        yield found(name, State.ATTENTION, "devices_open", setting=KEYS)
    else:
        yield found(name, State.OK, "devices")


def _settings(talk: JsonClient, name: str, token: str, class_source: str) -> Iterator[Finding]:
    """Ask our module for settings of its Synapse that no other request shows.

    What an older module does not tell is not judged.
    """
    answer = ask(talk, "GET", AGENTS_ONLY, token=token)
    settings = answer.body if answer and answer.status == OK else {}
    if settings.get(REMEMBERED) is True:
        yield found(name, State.FAILED, "devices_remembered", setting=FORGETTING)
    if class_source != "guest":
        if settings.get(ALL_ARE_FOUND) is False:
            yield found(name, State.ATTENTION, "colleagues_not_found", setting=FINDING_ALL)
        elif settings.get(ALL_ARE_FOUND) is True:
            yield found(name, State.OK, "colleagues_found")
    elif settings.get(PROFILES) is True:
        yield found(name, State.ATTENTION, "guest_profiles_open", setting=PROFILES)
    elif settings.get(PROFILES) is False:
        yield found(name, State.OK, "guest_profiles")
