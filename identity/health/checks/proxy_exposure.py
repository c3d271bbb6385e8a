"""Checks whether a homeserver's proxy and settings close for guests what our module cannot."""

from collections.abc import Iterator

from identity.core.findings import Finding, Silent, State, findings_or_silence
from identity.core.http_client import JsonClient, quote_path_segment

from .exposure import AGENTS_ONLY, CLIENT, GUIDE, NO_SERVER, OK, UNAUTHORIZED, ask

WELL_KNOWN = "/.well-known/matrix/client"
# Sent without an access token, so that it has no effect if it gets through.
FOREIGN: dict[str, object] = {
    "client_secret": "doctor",
    "sid": "0",
    "id_access_token": "",
    "id_server": NO_SERVER,
}
FOREIGN_REASON = "foreign_identity_server"
PROFILES = "allow_profile_lookup_over_federation"
REMEMBERED = "who_shares_no_room_is_remembered"
FORGETTING = "caches: {per_cache_factors: {does_pair_of_users_share_a_room_joined_or_invited: 0}}"
KEYS = "experimental_features: {msc4263_limit_key_queries_to_users_who_share_rooms: true}"


def clients_url(talk: JsonClient) -> str | None:
    """The URL in /.well-known/matrix/client, None without one. Raises Silent."""
    answer = ask(talk, "GET", WELL_KNOWN)
    server = answer.body.get("m.homeserver") if answer and answer.status == OK else None
    url = server.get("base_url") if isinstance(server, dict) else None
    return url if isinstance(url, str) else None


def check_proxy(
    talk: JsonClient,
    clients: JsonClient,
    name: str,
    *,
    url: str | None,
    class_source: str,
    token: str | None,
) -> Iterator[Finding]:
    """Check the proxy, the devices shown and the module's settings of a homeserver with guests.

    `talk` uses the URL that Guichet has, `clients` the `url` that Matrix clients are sent to.
    """
    if class_source == "agent":
        return
    if url is not None:
        yield from findings_or_silence(name, f"the proxy at {url}", _refusals(clients, name, url))
    elif token is not None:
        told = "it does not say where clients reach it, so its proxy was not checked"
        yield Finding(name, State.ATTENTION, told, "public_baseurl: the address of the proxy")
    if token is not None:
        yield from findings_or_silence(name, "whose devices it shows", _keys(talk, name, token))
        settings = _settings(talk, name, token, of_guests=class_source == "guest")
        yield from findings_or_silence(name, "what its module knows of its settings", settings)


def _refusals(clients: JsonClient, name: str, url: str) -> Iterator[Finding]:
    fix = f"deploy/synapse-mixed.conf in the proxy, public_baseurl its address ({GUIDE})"
    try:
        foreign = ask(clients, "POST", f"{CLIENT}/account/3pid/bind", body=FOREIGN)
    except Silent:
        foreign = None
    if foreign is None:
        told = f"clients are sent to {url}, which does not answer from here: its proxy was not seen"
        yield Finding(name, State.ATTENTION, told, "ask from where clients are, or open it to here")
        return
    if foreign.body.get("org.guichet.reason") == FOREIGN_REASON:
        yield Finding(name, State.OK, "the proxy refuses other identity servers")
    else:
        told = f"at {url} another identity server may be named: it is told addresses"
        yield Finding(name, State.ATTENTION, told, fix)
    # Synapse itself resolves aliases without a token.
    alias = quote_path_segment(f"#guichet-doctor:{name}")
    preview = ask(clients, "GET", f"{CLIENT}/directory/room/{alias}")
    if preview is not None and preview.status == UNAUTHORIZED:
        yield Finding(name, State.OK, "the proxy shows aliases and previews to agents alone")
    else:
        told = f"at {url} guests can look up aliases and rooms"
        yield Finding(name, State.ATTENTION, told, fix)


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
        told = "guests can ask for anybody's devices, and so learn who has an account"
        yield Finding(name, State.ATTENTION, told, KEYS)
    else:
        yield Finding(name, State.OK, "devices are shown to those who share a room")


def _settings(talk: JsonClient, name: str, token: str, *, of_guests: bool) -> Iterator[Finding]:
    """Ask our module for settings of its Synapse that no other request shows."""
    answer = ask(talk, "GET", AGENTS_ONLY, token=token)
    settings = answer.body if answer and answer.status == OK else {}
    if settings.get(REMEMBERED) is True:
        told = "who has just come to share a room may not get the keys to read its messages"
        yield Finding(name, State.FAILED, told, FORGETTING)
    if not of_guests:
        return
    if settings.get(PROFILES) is True:
        told = "other homeservers can look up any guest's profile"
        yield Finding(name, State.ATTENTION, told, f"{PROFILES}: false ({GUIDE})")
    elif settings.get(PROFILES) is False:
        yield Finding(name, State.OK, "guests' profiles are not shown to other homeservers")
