"""Whether the proxy before a homeserver with guests closes what Synapse cannot, and its keys what a proxy cannot."""

from collections.abc import Iterator

from identity.command.findings import Finding, Silent, State, seen
from identity.core.http_client import JsonClient, path_part

from .exposure import AGENTS_ONLY, CLIENT, GUIDE, NO_SERVER, OK, UNAUTHORIZED, ask

WELL_KNOWN = "/.well-known/matrix/client"
# Without a token: whatever lets it through, nothing comes of it.
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
    """Where the homeserver sends its clients, whatever the URL they began with. None if it does not say.

    Raises Silent.
    """
    told = ask(talk, "GET", WELL_KNOWN)
    server = told.body.get("m.homeserver") if told and told.status == OK else None
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
    """`talk` is by the URL Guichet has, `clients` by `url`, where clients are sent, if it says so."""
    if class_source == "agent":
        return
    if url is not None:
        yield from seen(name, f"the proxy at {url}", _refusals(clients, name, url))
    elif token is not None:
        told = "it does not say where it sends its clients: their proxy was not seen"
        yield Finding(name, State.ATTENTION, told, "public_baseurl: the address of the proxy")
    if token is not None:
        yield from seen(name, "whose devices it shows", _keys(talk, name, token))
        settings = _settings(talk, name, token, of_guests=class_source == "guest")
        yield from seen(name, "what its module knows of its settings", settings)


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
    # Synapse itself resolves aliases for whoever shows no token.
    alias = path_part(f"#guichet-doctor:{name}")
    preview = ask(clients, "GET", f"{CLIENT}/directory/room/{alias}")
    if preview is not None and preview.status == UNAUTHORIZED:
        yield Finding(name, State.OK, "the proxy shows aliases and previews to agents alone")
    else:
        told = f"at {url} guests can look up aliases and rooms"
        yield Finding(name, State.ATTENTION, told, fix)


def _keys(talk: JsonClient, name: str, token: str) -> Iterator[Finding]:
    """Of nobody: named in the answer, unless only those are who share a room."""
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
    """Asked of our module: no call from outside tells."""
    answer = ask(talk, "GET", AGENTS_ONLY, token=token)
    told = answer.body if answer and answer.status == OK else {}
    if told.get(REMEMBERED) is True:
        said = "who shares a room now may go on missing the other's keys, and read nothing"
        yield Finding(name, State.FAILED, said, FORGETTING)
    if not of_guests:
        return
    if told.get(PROFILES) is True:
        said = "other homeservers can look up any guest's profile"
        yield Finding(name, State.ATTENTION, said, f"{PROFILES}: false ({GUIDE})")
    elif told.get(PROFILES) is False:
        yield Finding(name, State.OK, "guests' profiles are not shown to other homeservers")
