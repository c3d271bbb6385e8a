"""What never stands in a log, whoever writes it there."""

import pytest

from identity.logs import hide


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


def test_the_rest_of_a_line_stays():
    line = "lookup by @ana:education.example took=5 /_matrix/identity/v2/lookup?x=1"
    assert hide(line) == line
