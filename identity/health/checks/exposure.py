"""Checks that our module runs in a homeserver, and that settings close what it cannot."""

from collections.abc import Iterator

from domain_rules.rooms.room import as_mapping, as_texts
from identity.core.findings import Finding, Silent, State, findings_or_silence, found
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
    yield from findings_or_silence(name, "silent_registration", _registration(talk, name))
    module = _module(talk, name, token=token, revision=revision)
    yield from findings_or_silence(name, "silent_module", module)
    if class_source == "agent" or token is None:
        return
    is_mixed = class_source == "by_person"
    rooms = _rooms(talk, name, token=token, proxy=(clients or talk) if is_mixed else None)
    yield from findings_or_silence(name, "silent_rooms", rooms)
    yield from findings_or_silence(
        name, "silent_profiles", _profiles(talk, name, token=token, is_mixed=is_mixed)
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
        yield found(name, State.OK, "registration")
    else:
        yield found(name, State.ATTENTION, "registration_open")


def _module(talk: JsonClient, name: str, *, token: str | None, revision: int) -> Iterator[Finding]:
    answer = ask(talk, "GET", AGENTS_ONLY, token=token)
    if answer is None:
        raise Silent
    if answer.status == NOT_FOUND:
        yield found(name, State.ATTENTION, "module_missing")
        return
    if answer.status == OK and "mode" in answer.body:
        yield _decides_by(name, answer, revision)
    elif answer.status in {OK, FORBIDDEN} or (answer.status == UNAUTHORIZED and token is None):
        yield found(name, State.OK, "module")
    else:
        raise Silent(answer.status)


def _decides_by(name: str, answer: Answer, revision: int) -> Finding:
    has, age = answer.body.get("revision"), answer.body.get("age_seconds")
    if has is None:
        return found(name, State.FAILED, "module_deaf")
    if not isinstance(age, int) or age > OLD_SECONDS:
        return found(name, State.ATTENTION, "module_stale", has=str(has), age=str(age))
    if has != revision:
        return found(name, State.ATTENTION, "module_behind", has=str(has), newest=revision)
    if answer.body.get("mode") != "enforce":
        return found(name, State.ATTENTION, "module_logs_only", has=str(has))
    return found(name, State.OK, "module_decides", has=str(has))


def _rooms(
    talk: JsonClient, name: str, *, token: str, proxy: JsonClient | None
) -> Iterator[Finding]:
    """Check that the room directory is closed: then the list is empty for any server asked for."""
    try:
        listed = ask(talk, "GET", f"{CLIENT}/publicRooms?limit=1&server={NO_SERVER}", token=token)
    except Silent as silent:
        if silent.status != BAD_GATEWAY:  # Synapse's answer if it tried to ask that server
            raise
        listed = None
    if listed is not None and listed.status == OK and "chunk" not in listed.body:
        raise Silent(OK)
    if listed is not None and listed.body.get("chunk") == []:
        yield found(name, State.OK, "directory")
        return
    if proxy is None:
        yield found(name, State.FAILED, "directory_open")
        return
    rule = ask(proxy, "GET", PROXY)
    if rule is not None and rule.body.get("agents_only") is True:
        yield found(name, State.OK, "directory_by_proxy")
    else:
        yield found(name, State.ATTENTION, "directory_without_proxy")


def _profiles(talk: JsonClient, name: str, *, token: str, is_mixed: bool) -> Iterator[Finding]:
    """Ask for a profile that does not exist: forbidden if profiles are limited, else not found."""
    path = f"{CLIENT}/profile/{quote_path_segment(f'@{NO_SERVER}:{name}')}"
    answer = ask(talk, "GET", path, token=token)
    if answer is not None and answer.status == FORBIDDEN:
        yield found(name, State.OK, "profiles")
        return
    if answer is None or answer.status not in {OK, NOT_FOUND}:
        raise Silent
    yield found(name, State.ATTENTION if is_mixed else State.FAILED, "profiles_open")


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
