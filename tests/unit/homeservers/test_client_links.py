"""Templates of links to Matrix clients: what may stand there, and what becomes of what is not known."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, strategies

from identity.client_links import check_template, fill

WHOLE = "https://chat.example/?hs={homeserver_url}&user={user_id}&room={room_id}"
HOMESERVER = "https://matrix.agents.example"


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("https://chat.example", "https://chat.example"),
        ("https://chat.example/a?b=&&c#", "https://chat.example/a?b=&&c#"),
        (
            WHOLE,
            "https://chat.example/?hs=https%3A%2F%2Fmatrix.agents.example&user=%40a%3Ax.example&room=%21r%2F1",
        ),
        (
            "https://m.example/e/?account_provider={server_name}&login_hint=mxid:{user_id}",
            "https://m.example/e/?account_provider=agents.example%3A8448&login_hint=mxid:%40a%3Ax.example",
        ),
        (
            "https://chat.example/#/room/{room_id}?via={server_name}",
            "https://chat.example/#/room/%21r%2F1?via=agents.example%3A8448",
        ),
        (
            "https://chat.example/?a=1#/login?u={user_id}",
            "https://chat.example/?a=1#/login?u=%40a%3Ax.example",
        ),
    ],
)
def test_what_is_known_is_filled_in(template, url):
    assert check_template(template) == template
    filled = fill(
        template,
        homeserver_url=HOMESERVER,
        server_name="agents.example:8448",
        user_id="@a:x.example",
        room_id="!r/1",
    )
    assert filled == url


@pytest.mark.parametrize(
    ("template", "url"),
    [
        (WHOLE, "https://chat.example/?hs=https%3A%2F%2Fmatrix.agents.example"),
        ("https://chat.example/?user={user_id}", "https://chat.example/"),
        ("https://chat.example?a=1&user={user_id}&b=2", "https://chat.example?a=1&b=2"),
        ("https://chat.example/#/login?user={user_id}", "https://chat.example/#/login"),
        ("https://chat.example/?a=1#/room/{room_id}?a=2", "https://chat.example/?a=1"),
        ("https://chat.example/#?user={user_id}", "https://chat.example/"),
    ],
)
def test_what_is_not_known_is_left_out(template, url):
    assert check_template(template) == template
    assert fill(template, homeserver_url=HOMESERVER) == url


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("https://chat.example/?u={user}", "knows no {user}: there are {homeserver_url}"),
        ("https://chat.example/?u={}", "knows no {}"),
        ("https://chat.example/?u={user_id", "must hold none of"),
        ("https://chat.example/?u={{user_id}}", "must hold none of"),
        ("https://chat.example/{server_name}/?a=1", "only behind ? or #"),
        ("https://{server_name}/", "only behind ? or #"),
        ("{homeserver_url}", "only behind ? or #"),
        ("javascript:alert('?{user_id}')", "must begin with https: or http:"),
        ("https://chat.example/?u={user_id} x", "blanks"),
        ("https://chat.example/?u={\x1b[2J}", "blanks"),
    ],
)
def test_other_templates_are_refused(template, why):
    with pytest.raises(ValueError, match=r".") as refused:
        check_template(template)
    assert why in str(refused.value)


@given(strategies.text(min_size=1), strategies.text(min_size=1))
def test_no_value_adds_a_pair_or_leads_elsewhere(user_id, room_id):
    user_id, room_id = (each.encode(errors="ignore").decode() for each in (user_id, room_id))
    filled = fill(WHOLE, homeserver_url=HOMESERVER, user_id=user_id, room_id=room_id)
    parts = urlsplit(filled)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "chat.example", "/")
    assert parts.fragment == ""
    wanted = {"hs": [HOMESERVER], "user": [user_id], "room": [room_id]}
    known = {key: value for key, value in wanted.items() if value != [""]}
    assert parse_qs(parts.query) == known
