"""Checks that our module runs in a homeserver, and that settings close what it cannot."""

from collections.abc import Iterator

from domain_rules.rooms.room import as_mapping, as_texts
from identity.core.findings import Finding, Silent, State, findings_or_silence
from identity.core.http_client import Answer, Away, JsonClient, quote_path_segment

OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 200, 401, 403, 404, 429
FAULT, BAD_GATEWAY = 500, 502
CLIENT = "/_matrix/client/v3"
AGENTS_ONLY = "/_synapse/client/org.guichet/v1/agents-only"
PROXY = "/_matrix/client/org.guichet/proxy"
EMAIL = "m.login.email.identity"
# No server has this name: a homeserver that lists other servers' rooms tries to reach it and fails.
NO_SERVER = "guichet-doctor.invalid"
OLD_SECONDS = 300
GUIDE = "docs/synapse.md"


def check_exposure(
    talk: JsonClient,
    name: str,
    *,
    class_source: str,
    token: str | None,
    revision: int,
    clients: JsonClient | None = None,
) -> Iterator[Finding]:
    """Check registration, our module, the room directory and profiles of a homeserver.

    `token`: of an administrator; without it only what is public is checked. `clients`: a client for
    the URL that Matrix clients use, if that is another one.
    """
    yield from findings_or_silence(name, "how accounts are registered", _registration(talk, name))
    module = _module(talk, name, token=token, revision=revision)
    yield from findings_or_silence(name, "our module there", module)
    if class_source == "agent" or token is None:
        return
    is_mixed = class_source == "by_person"
    rooms = _rooms(talk, name, token=token, proxy=(clients or talk) if is_mixed else None)
    yield from findings_or_silence(name, "its directory of rooms", rooms)
    yield from findings_or_silence(
        name, "its profiles", _profiles(talk, name, token=token, is_mixed=is_mixed)
    )


def _registration(talk: JsonClient, name: str) -> Iterator[Finding]:
    """Check that an account needs a verified address."""
    flows = ask(talk, "POST", f"{CLIENT}/register", body={})
    if flows is None:
        raise Silent
    if flows.status == FORBIDDEN:  # nobody registers there
        return
    is_made = flows.status == OK and "user_id" in flows.body
    offered = [{}] if is_made else flows.body.get("flows")
    if not isinstance(offered, list) or not offered:
        raise Silent
    if all(EMAIL in as_texts(as_mapping(each).get("stages")) for each in offered):
        yield Finding(name, State.OK, "accounts need a proved address")
        return
    fix = f"registrations_require_3pid: [email], no registration without it ({GUIDE})"
    yield Finding(name, State.ATTENTION, "accounts are given without a proved address", fix)


def _module(talk: JsonClient, name: str, *, token: str | None, revision: int) -> Iterator[Finding]:
    answer = ask(talk, "GET", AGENTS_ONLY, token=token)
    if answer is None:
        raise Silent
    if answer.status == NOT_FOUND:
        fix = f"load domain_rules.synapse_modules.Guichet there ({GUIDE})"
        yield Finding(name, State.ATTENTION, "our module is not loaded: rules bind nobody", fix)
        return
    if answer.status == OK and "mode" in answer.body:
        yield _decides_by(name, answer, revision)
    elif answer.status in {OK, FORBIDDEN} or (answer.status == UNAUTHORIZED and token is None):
        yield Finding(name, State.OK, "our module is loaded")
    else:
        raise Silent(answer.status)


def _decides_by(name: str, answer: Answer, revision: int) -> Finding:
    has, age = answer.body.get("revision"), answer.body.get("age_seconds")
    told = f"our module decides by revision {has}"
    if has is None:
        fix = f"check guichet_url and credential of its module, then its log ({GUIDE})"
        return Finding(name, State.FAILED, "our module never heard of Guichet", fix)
    if not isinstance(age, int) or age > OLD_SECONDS:
        fix = "can it reach Guichet? Its log says why not"
        return Finding(name, State.ATTENTION, f"{told}, {age} seconds old", fix)
    if has != revision:
        return Finding(name, State.ATTENTION, f"{told} of {revision}", "ask again in a minute")
    if answer.body.get("mode") != "enforce":
        fix = "mode: enforce, once its log holds no surprise"
        return Finding(name, State.ATTENTION, f"{told}, and only logs", fix)
    return Finding(name, State.OK, told)


def _rooms(
    talk: JsonClient, name: str, *, token: str, proxy: JsonClient | None
) -> Iterator[Finding]:
    """Check that the room directory is closed: then the list is empty for any server asked for."""
    try:
        found = ask(talk, "GET", f"{CLIENT}/publicRooms?limit=1&server={NO_SERVER}", token=token)
    except Silent as silent:
        if silent.status != BAD_GATEWAY:  # Synapse's answer if it tried to ask that server
            raise
        found = None
    if found is not None and found.status == OK and "chunk" not in found.body:
        raise Silent(OK)
    if found is not None and found.body.get("chunk") == []:
        yield Finding(name, State.OK, "the directory of rooms is closed")
        return
    if proxy is None:
        fix = "enable_room_list_search: false, allow_public_rooms_over_federation: false"
        yield Finding(name, State.FAILED, "guests can look through the directory of rooms", fix)
        return
    rule = ask(proxy, "GET", PROXY)
    if rule is not None and rule.body.get("agents_only") is True:
        yield Finding(name, State.OK, "the proxy shows the directory of rooms to agents alone")
        return
    fix = "deploy/synapse-mixed.conf in the proxy of its clients; ask by the URL that clients use"
    told = "no proxy rule seen: guests may look through the directory of rooms"
    yield Finding(name, State.ATTENTION, told, fix)


def _profiles(talk: JsonClient, name: str, *, token: str, is_mixed: bool) -> Iterator[Finding]:
    """Ask for a profile that does not exist: forbidden if profiles are limited, else not found."""
    path = f"{CLIENT}/profile/{quote_path_segment(f'@{NO_SERVER}:{name}')}"
    answer = ask(talk, "GET", path, token=token)
    if answer is not None and answer.status == FORBIDDEN:
        yield Finding(name, State.OK, "profiles are shown to those who share a room")
        return
    if answer is None or answer.status not in {OK, NOT_FOUND}:
        raise Silent
    fix = "limit_profile_requests_to_users_who_share_rooms: true, require_auth_for_profile_requests: true"
    state = State.ATTENTION if is_mixed else State.FAILED
    yield Finding(name, state, "guests can look up anybody's profile", fix)


def ask(
    talk: JsonClient,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: dict[str, object] | None = None,
) -> Answer | None:
    """Send a request. None if the answer is not JSON, such as a proxy's own page.

    Raises Silent without an answer, for a server error, and if we are to ask later (429).
    """
    try:
        answer = talk.call(method, path, token=token, body=body)
    except Away as away:
        if away.status is None or away.status >= FAULT:
            raise Silent(away.status) from None
        return None
    if answer.status == TOO_MANY:
        raise Silent(TOO_MANY)
    return answer
