"""Links that hand a person over to their Matrix client, with what we know of them filled in.

A template is a URL with placeholders in its query or its fragment, for example
`https://chat.example.org/?hs={homeserver_url}&user={user_id}&room={room_id}`.
"""

import re
from typing import Final
from urllib.parse import quote

from .checked_values import check_web_url

PLACEHOLDERS: Final = ("homeserver_url", "server_name", "user_id", "room_id")
"""What can be filled in: the base URL for clients, the Matrix server name, `@local:server`, `!room`."""

WRITTEN: Final = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
BRACED: Final = re.compile(r"\{([^{}]*)\}")
EXAMPLE: Final = "for example https://chat.example.org/?hs={homeserver_url}&user={user_id}"


def check_template(value: str) -> str:
    """The template, as it is. Raises ValueError, with a sentence that goes on from its name.

    A URL without placeholders is a template too. The part before the query names the same page
    for everybody, so that no value can lead elsewhere.
    """
    if not value.isprintable():
        check_web_url(value)  # which refuses it without repeating it
    for name in BRACED.findall(value):
        if name not in PLACEHOLDERS:
            raise ValueError(f"knows no {{{name}}}: there are {WRITTEN}, {EXAMPLE}")
    page = re.split(r"[?#]", value, maxsplit=1)[0]
    if BRACED.search(page):
        raise ValueError(f"takes placeholders only behind ? or #, {EXAMPLE}")
    check_web_url(BRACED.sub("x", value))
    return value


def fill(
    template: str,
    *,
    homeserver_url: str | None = None,
    server_name: str | None = None,
    user_id: str | None = None,
    room_id: str | None = None,
) -> str:
    """The URL: each value percent-encoded, each pair of the query left out whose value is unknown.

    A fragment may have pairs too (`#/login?user={user_id}`); without a value that its path needs,
    the fragment is left out. The template has passed `check_template`.
    """
    if "{" not in template:
        return template
    values = {
        "homeserver_url": homeserver_url,
        "server_name": server_name,
        "user_id": user_id,
        "room_id": room_id,
    }
    beginning, _, fragment = template.partition("#")
    place, _, pairs = fragment.partition("?")
    url = _fill_pairs(*beginning.partition("?"), values)
    if place and not _is_known(place, values):
        return url
    end = _fill_pairs(_fill(place, values), "?", pairs, values)
    return f"{url}#{end}" if end else url


def _fill_pairs(place: str, mark: str, pairs: str, values: dict[str, str | None]) -> str:
    known = [_fill(each, values) for each in pairs.split("&") if each and _is_known(each, values)]
    return f"{place}{mark}{'&'.join(known)}" if known else place


def _is_known(text: str, values: dict[str, str | None]) -> bool:
    return all(values[name] for name in BRACED.findall(text))


def _fill(text: str, values: dict[str, str | None]) -> str:
    return BRACED.sub(lambda found: quote(values[found[1]] or "", safe=""), text)
