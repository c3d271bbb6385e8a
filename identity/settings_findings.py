"""What is wrong with settings with which Guichet starts all the same: for `guichet config check`.

What would be dangerous stops every start (checked_values.py and settings.py). This is the rest:
what was surely not meant, or will be missed later.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource
from sqlalchemy import make_url

from .checked_values import are_many, fault_of_key, widest
from .env_files import VARIABLE, find_env_file, read_assignments, read_env_file
from .hosts import is_host
from .network_settings import SOCKET
from .networks import Network
from .setting_sources import PREFIX, Given, is_secret
from .settings import Settings, is_loopback

DOTENV = Path(".env")
ENVIRONMENT = "the environment"
LISTS = (
    *("server_aliases", "secret_keys", "storage_keys", "homeserver_keys", "internal_networks"),
    *("internal_hosts", "protected_networks", "trusted_proxies", "shared_networks"),
    *("lookup_algorithms", "next_link_hosts", "console_networks", "sso_roles"),
)
KEY_SETS = ("secret_keys", "storage_keys", "homeserver_keys")
PATHS = ("data_dir", "templates_dir", "terms_file", "erasure_log")
COMMENT = re.compile(r"\s[#;]")
NEAR = 0.85  # how alike a name without our prefix must be to one of ours
IGNORED_BY_DATABASE = {"options", "connect_timeout", "keepalives_idle", "keepalives_interval"}


def written_settings() -> list[Given]:
    """All GUICHET_* variables that were given, and where; of the same name the stronger one first.

    Raises WrongEnvFile.
    """
    file = find_env_file()
    found = [Given(name.upper(), value, ENVIRONMENT) for name, value in os.environ.items()]
    if file is not None:
        found += [Given(n.upper(), v, str(file)) for n, v in read_env_file(file).items()]
    else:
        found += _in_dotenv()
    return [each for each in found if each.name.startswith(PREFIX)]


def unknown_variables() -> list[str]:
    """The names of those that this version does not know."""
    return sorted({each.name for each in written_settings()} - known_names())


def known_names() -> set[str]:
    """The names of all variables that this version knows."""
    fields = Settings.model_fields
    known = {f"{PREFIX}{name}".upper() for name in fields}
    known |= {f"{PREFIX}{name}_FILE".upper() for name, field in fields.items() if is_secret(field)}
    return known | {VARIABLE}


def described_unknown(name: str) -> str:
    """A sentence about an unknown variable, with the nearest name."""
    near = get_close_matches(name, sorted(known_names()), n=1, cutoff=0.75)
    meant = f", perhaps {near[0]} was meant" if near else ""
    without_file = name.removesuffix("_FILE")
    if without_file != name and without_file in known_names():
        meant = f": only secrets may be given as a file, write {without_file}=…"
    return f"{name}: no setting of this version{meant}"


def where_from() -> str:
    """Where the settings come from, in words. Raises WrongEnvFile."""
    file = find_env_file()
    places = [ENVIRONMENT] if any(each.where == ENVIRONMENT for each in _of_settings()) else []
    if file is not None:
        places.insert(0, str(file))
    elif _in_dotenv():
        places.append(str(DOTENV.resolve()))
    return " and ".join(places) or "nothing is set"


def described_database(settings: Settings) -> str:
    """The database in words, without its password."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        return f"SQLite in {url.database or 'memory'}"
    host = url.query.get("host") or url.host or "this machine"
    at = ",".join(host) if isinstance(host, tuple) else host
    port = f", port {url.port}" if url.port else ""
    return f"PostgreSQL, {url.database or 'the database of the user'} at {at}{port}"


def find_faults(settings: Settings) -> list[str]:
    """One line for each fault: the name of the variable, what is wrong, and what would be right."""
    written = written_settings()
    return [
        *_faults_of_names(written),
        *_faults_of_texts(written),
        *_faults_of_env_file(),
        *_faults_of_database(settings),
        *_faults_of_listeners(settings),
        *_faults_of_keys(settings),
        *_faults_of_files(settings, written),
        *_faults_of_networks(settings),
        *_contradictions(settings, written),
    ]


def _of_settings() -> list[Given]:
    return [each for each in written_settings() if each.name != VARIABLE]


def _in_dotenv() -> list[Given]:
    try:
        variables = DotEnvSettingsSource(Settings).env_vars
    except (OSError, UnicodeDecodeError):  # `read_settings` says so where it counts
        return []
    found = [Given(n.upper(), v or "", str(DOTENV)) for n, v in variables.items()]
    return [each for each in found if each.name.startswith(PREFIX)]


def _faults_of_names(written: Sequence[Given]) -> Iterator[str]:
    for name in sorted({each.name for each in written} - known_names()):
        yield described_unknown(name)
    yield from _misspelt_prefixes()
    dotenv = _in_dotenv()
    if not dotenv:
        return
    names = ", ".join(sorted({each.name for each in dotenv}))
    here = DOTENV.resolve()
    if (file := find_env_file()) is not None:
        yield f"{here} is not read, since {file} is: take {names} out of it, or move it there"
    elif any(
        each.name.startswith(f"{PREFIX}DATABASE_URL")
        for each in written
        if each.value and each.where == ENVIRONMENT
    ):
        yield (
            f"{here} adds {names} to the settings of the environment, but only for processes that "
            "start in this folder: put them beside the others"
        )


def _misspelt_prefixes() -> Iterator[str]:
    """Names in the environment, and in the file, that are almost ours but for the prefix."""
    file, ours = find_env_file(), sorted(known_names())
    names = {*os.environ, *(read_env_file(file) if file is not None else ())}
    for name in sorted(names):
        near = get_close_matches(name.upper(), ours, n=1, cutoff=NEAR)
        if near and not name.upper().startswith(PREFIX):
            yield f"{name}: perhaps {near[0]} was meant; every setting begins with {PREFIX}"


def _faults_of_env_file() -> Iterator[str]:
    """What systemd reads otherwise than it looks, and what stands there in vain."""
    file = find_env_file()
    if file is None:
        return
    lines: dict[str, int] = {}
    for each in read_assignments(file):
        name = each.name.upper()
        if name in lines:
            yield (
                f"{each.name}: it stands in line {lines[name]} of {file}, and again in line "
                f"{each.line}, which counts: take one out"
            )
        lines[name] = each.line
        if COMMENT.search(each.value) and name.startswith(PREFIX):
            yield (
                f"{each.name}: line {each.line} of {file} has no comment behind its value, as "
                "systemd reads it: # and ; are a part of the value; put the comment above it"
            )


def _faults_of_database(settings: Settings) -> Iterator[str]:
    if settings.database_url is None:
        return
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        if not url.database or ":memory:" in url.database:
            yield (
                "GUICHET_DATABASE_URL: each process would have a database of its own in its memory, "
                "for example sqlite:////var/lib/guichet/guichet.db"
            )
        elif not url.database.startswith(("/", "file:/")):
            yield (
                f"GUICHET_DATABASE_URL: {url.database} depends on the folder a process starts in; "
                "give the whole path with four slashes, for example "
                "sqlite:////var/lib/guichet/guichet.db"
            )
    elif ours := sorted(url.query.keys() & IGNORED_BY_DATABASE):
        yield (
            f"GUICHET_DATABASE_URL: {', '.join(ours)} does not count: Guichet sets its own; what "
            "sessions need besides belongs to the role (ALTER ROLE … SET …)"
        )


def _faults_of_listeners(settings: Settings) -> Iterator[str]:
    if settings.internal_listen and settings.internal_listen == settings.worker_metrics_listen:
        yield (
            "GUICHET_WORKER_METRICS_LISTEN: GUICHET_INTERNAL_LISTEN is the same address: only one "
            "of them could listen; give the worker another port, for example 127.0.0.1:8092"
        )
    socket = settings.internal_listen.removeprefix(SOCKET)
    if socket != settings.internal_listen and not socket.startswith("/"):
        yield (
            f"GUICHET_INTERNAL_LISTEN: {socket} depends on the folder a process starts in; give the "
            "whole path, for example unix:/run/guichet/internal.sock"
        )
    for host in settings.next_link_hosts:
        if not is_host(host) or host.endswith("."):
            yield (
                f"GUICHET_NEXT_LINK_HOSTS: {host!r} is no host, so it never matches, for example "
                "messenger.example.org"
            )


def _faults_of_texts(written: Sequence[Given]) -> Iterator[str]:
    for each in written:
        name = each.name.removeprefix(PREFIX).lower()
        if each.value != each.value.strip():
            yield f"{each.name}: there are blanks around its value in {each.where}: take them out"
        if name not in LISTS or not each.value.strip():
            continue
        items = [item.strip() for item in each.value.split(",")]
        if "" in items:
            yield f"{each.name}: an item of the list is empty: there is a comma too many"
        if name not in KEY_SETS and len({item.lower() for item in items if item}) < len(
            [item for item in items if item]
        ):
            yield f"{each.name}: an item stands in the list twice: take one out"


def _faults_of_keys(settings: Settings) -> Iterator[str]:
    sets = {name: _texts(getattr(settings, name)) for name in KEY_SETS}
    for name, keys in sets.items():
        variable = f"{PREFIX}{name}".upper()
        if len(set(keys)) < len(keys):
            yield f"{variable}: a key stands in the list twice: take one out"
        for number, key in enumerate(keys[:-1], start=1):
            if name != "homeserver_keys" and (fault := fault_of_key(key)):
                yield f"{variable}: key {number} of {len(keys)} {fault}: guichet keys retire"
        if any(letter.isspace() for key in keys for letter in key):
            yield f"{variable}: a key holds a blank: are these two keys, with no comma between?"
    both = set(sets["secret_keys"]) & set(sets["storage_keys"])
    if both:
        yield (
            "GUICHET_STORAGE_KEYS: a key of it stands in GUICHET_SECRET_KEYS too: give each list "
            "its own (guichet keys stage)"
        )


def _texts(keys: Sequence[SecretStr]) -> list[str]:
    return [key.get_secret_value() for key in keys]


def _faults_of_files(settings: Settings, written: Sequence[Given]) -> Iterator[str]:
    is_production = not settings.is_embedded
    secret_files = [each for each in written if each.name.endswith("_FILE") and each.value]
    for each in secret_files:
        if each.name in known_names() and each.name not in {VARIABLE, f"{PREFIX}TERMS_FILE"}:
            yield from _faults_of_secret_file(each)
    yield from _faults_of_own_file()
    for name in PATHS:
        path: Path | None = getattr(settings, name)
        variable = f"{PREFIX}{name}".upper()
        if path is None:
            continue
        if is_production and not path.is_absolute():
            yield (
                f"{variable}: {path} depends on the folder a process starts in; "
                f"give the whole path, for example /var/lib/guichet/{path.name}"
            )
    yield from _faults_of_kind(settings)
    if settings.templates_dir is not None:
        yield from _faults_of_folder("GUICHET_TEMPLATES_DIR", settings.templates_dir)
        if settings.brand and settings.templates_dir.is_dir():
            yield from _faults_of_folder("GUICHET_BRAND", settings.templates_dir / settings.brand)


def _faults_of_own_file() -> Iterator[str]:
    file = find_env_file()
    if file is not None and _mode(file) & stat.S_IROTH:
        yield f"{file} can be read by everybody here: chmod 0640 {file}; chgrp guichet {file}"
    if file is not None and _mode(file) & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{file} can be written by others here: chmod 0640 {file}; chown root {file}"


def _faults_of_kind(settings: Settings) -> Iterator[str]:
    if settings.data_dir.exists() and not settings.data_dir.is_dir():
        yield f"GUICHET_DATA_DIR: {settings.data_dir} is no folder"
    if settings.erasure_log is not None and settings.erasure_log.is_dir():
        yield (
            f"GUICHET_ERASURE_LOG: {settings.erasure_log} is a folder: name a file in it, for example "
            f"{settings.erasure_log / 'erasures.jsonl'}"
        )


def _faults_of_secret_file(given: Given) -> Iterator[str]:
    path = Path(given.value)
    mode = _mode(path)
    if mode & stat.S_IROTH:
        yield f"{given.name}: {path} can be read by everybody here ({mode:04o}): chmod o= {path}"
    if mode & stat.S_IWOTH:
        yield f"{given.name}: everybody here can write {path} ({mode:04o}): chmod o= {path}"
    if given.name == f"{PREFIX}HOMESERVER_KEYS_FILE" and mode & stat.S_IRGRP:
        yield (
            f"{given.name}: the group of {path} can read it ({mode:04o}), and so the web, which must "
            f"not: chmod 0400 {path}; chown guichet-worker {path}"
        )
    if given.where != str(DOTENV) and not path.is_absolute():
        yield f"{given.name}: give the whole path of {path}, for example /etc/guichet/{path.name}"


def _faults_of_folder(variable: str, folder: Path) -> Iterator[str]:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        yield f"{variable}: the folder {folder} cannot be read: {error.strerror}"


def _mode(path: Path) -> int:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return 0
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else 0


def _faults_of_networks(settings: Settings) -> Iterator[str]:
    for name in ("internal_networks", "protected_networks", "shared_networks"):
        networks: Sequence[Network] = getattr(settings, name)
        variable = f"{PREFIX}{name}".upper()
        if any(network.prefixlen == 0 for network in widest(networks)):
            yield f"{variable}: that is the whole internet; name networks, for example 10.0.0.0/8"
        elif widest(networks) or are_many(networks):
            yield (
                f"{variable}: that is a large part of the internet; name networks, for example "
                "10.0.0.0/8"
            )


def _contradictions(settings: Settings, written: Sequence[Given]) -> Iterator[str]:
    if settings.brand and settings.templates_dir is None:
        yield "GUICHET_BRAND: it names a folder of GUICHET_TEMPLATES_DIR, which is not set"
    if settings.console_url is not None:
        yield from _contradictions_of_console(settings)
    if settings.internal_hosts and not settings.internal_listen:
        yield "GUICHET_INTERNAL_HOSTS: GUICHET_INTERNAL_LISTEN is empty, so nobody listens"
    if any(name != name.lower() for name in settings.names):
        yield "GUICHET_SERVER_NAME, GUICHET_SERVER_ALIASES: homeservers know names in lower case"
    if settings.server_name.lower() in map(str.lower, settings.server_aliases):
        yield "GUICHET_SERVER_ALIASES: GUICHET_SERVER_NAME need not stand there too: take it out"
    if settings.limits == "off" and not settings.is_local:
        yield "GUICHET_LIMITS: off is for load tests: strangers could flood mailboxes; take it out"
    if not settings.is_local and is_loopback(urlsplit(f"//{settings.server_name}").hostname):
        yield (
            "GUICHET_SERVER_NAME: homeservers know this server by that name, but it means this "
            "machine alone, for example guichet.example.org"
        )
    yield from _contradictions_of_names(settings, written)


def _contradictions_of_console(settings: Settings) -> Iterator[str]:
    if settings.console == "off":
        yield "GUICHET_CONSOLE_URL: GUICHET_CONSOLE is off, so nothing answers there"
    scheme = urlsplit(settings.public_url).scheme
    if urlsplit(settings.console_origin).scheme != scheme:
        yield (
            f"GUICHET_CONSOLE_URL: cookies are for {scheme}:, as GUICHET_PUBLIC_URL is: nobody could "
            "stay signed in"
        )


def _contradictions_of_names(settings: Settings, written: Sequence[Given]) -> Iterator[str]:
    values = {each.name: each for each in reversed(written) if each.value}
    for name in values.keys() & {each.removesuffix("_FILE") for each in values}:
        if f"{name}_FILE" in values.keys() & known_names():
            yield f"{name} and {name}_FILE are both given: take one out"
    if "GUICHET_PROXY_HEADER" in values and not settings.trusted_proxies:
        yield "GUICHET_PROXY_HEADER: no proxy is trusted; GUICHET_TRUSTED_PROXIES, for example 127.0.0.1/32"
    file = find_env_file()
    for name in ("GUICHET_HOMESERVER_KEYS", "GUICHET_HOMESERVER_KEYS_FILE"):
        if name in values and values[name].where == str(file):
            yield f"{name}: every process reads {file}, but this is for the worker: name it in its unit"
