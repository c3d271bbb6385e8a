"""What never stands in a log, whoever writes it there."""

import logging
from urllib.parse import unquote

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from identity.core.logging import hide, make_handler
from identity.threepids.associations import Association


@pytest.mark.parametrize(
    "text",
    [
        "GET /_matrix/identity/v2/hash_details?access_token=s3cr3t HTTP/1.1",
        "url: /_matrix/federation/v1/openid/userinfo?access_token=s3cr3t",
        "'/validate/email/submitToken?token=s3cr3t&sid=s3cr3t&client_secret=s3cr3t'",
        "/v/abcds3cr3t-and-more",
        "mail to s3cr3t@asso.example: 250 ok",
    ],
)
def test_tokens_and_addresses_are_taken_out(text):
    assert "s3cr3t" not in hide(text)
    assert hide(text)


TOKEN = "AbCdEfGhIjKlMnOpQrStUv.AbCdEfGhIjKlMnOpQrStUvWxYz1"
ENCODED = "".join(f"%{ord(letter):02x}" for letter in TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        f"/v/{TOKEN}",
        f"//v//{TOKEN}",
        f"/%76/{TOKEN}",
        f"/V/{TOKEN}",
        f"/v/./{TOKEN}",
        f"/v%2F{TOKEN}",
        f"/redirect/{TOKEN}/x",
        f"Exception on /i/{TOKEN}).&utm=x [GET]",
        f"Invalid HTTP request line: 'GET /n/{TOKEN} HTTP/9.9'",
        f"?next={TOKEN}",
        f"token {TOKEN} alone",
        f"/d/{TOKEN[:20]}",
    ],
)
def test_four_characters_of_a_mailed_token_are_left_however_it_is_written(text):
    for written in (text, text.replace(TOKEN, ENCODED)):
        left = unquote(hide(written))
        assert TOKEN[:4] in left
        assert TOKEN[:5] not in left
        assert TOKEN[4:10] not in left


PEOPLE = [
    "ana.durand@x.example",
    "o'durand@x.example",
    "ana=durand@x.example",
    "ana/durand+t@éducation.example",
    "ana.durand%40x.example",
    "ANA.DURAND%40x.example",
    "@ana.durand-x.example:education.example",
    "@ana/=+durand:education.example:8448",
    "@Ana.Durand:[2001:db8::1]:8448",
    "%40ana.durand-x.example%3Aeducation.example",
]


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize(
    "line",
    [
        "refused: {}",
        "DETAIL:  Key (user_id)=({}) already exists.",
        "{{'user_id': '{}', 'x': 1}}",
        "Max retries exceeded with url: /_synapse/admin/v2/users/{}/memberships",
        "by={} to=<{}>, relay",
        'b"{}"',
    ],
)
def test_nobody_is_named_however_they_are_written(line, name):
    left = hide(line.format(name, name)).lower()
    assert "durand" not in left
    assert left.split()[0] == line.split(maxsplit=1)[0].lower() or "{" in line.split()[0]


def test_a_fault_of_the_database_tells_no_values(database, caplog):
    """Neither as parameters, which SQLAlchemy would add, nor as the server's own words."""
    row = insert(Association).values(
        address="ana.durand@x.example", user_id="@ana.durand:x.example", medium="email"
    )
    try:
        with database.transaction() as session:
            session.execute(row)
    except IntegrityError:
        log = logging.getLogger("tests")
        log.exception("attempt failed")
    (told,) = [record for record in caplog.records if record.name == "tests"]
    made = make_handler("json").format(told)
    assert "IntegrityError" in made
    assert "durand" not in made.lower()


def test_the_rest_of_a_line_stays():
    line = "lookup by a@b took=5 @click.command: /_matrix/identity/v2/lookup?x=1 100%: celery@host"
    assert hide(line) == line
