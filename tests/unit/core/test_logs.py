"""What never stands in a log, whoever writes it there."""

from urllib.parse import unquote

import pytest

from identity.core.logging import hide


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


def test_the_rest_of_a_line_stays():
    line = "lookup by @ana:education.example took=5 /_matrix/identity/v2/lookup?x=1"
    assert hide(line) == line
