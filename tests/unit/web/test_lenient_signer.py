"""A form and a cookie of one node are good on another, whose clock is behind."""

import pytest
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from identity.web.lenient_signer import LEEWAY, LenientSigner

KEY, HOUR = "a key of the tests", 3600


class Node(LenientSigner):
    """A node whose clock says this."""

    seconds = 1_800_000_000

    def get_timestamp(self):
        return self.seconds + self._ahead


def serializer(seconds: int) -> URLSafeTimedSerializer:
    kind = type("There", (Node,), {"seconds": Node.seconds + seconds})
    return URLSafeTimedSerializer(KEY, signer=kind)


@pytest.mark.parametrize("ahead", [0, 1, LEEWAY, -LEEWAY])
def test_a_minute_makes_no_difference(ahead):
    made = serializer(ahead).dumps("form")
    assert serializer(0).loads(made, max_age=HOUR) == "form"


def test_what_is_from_further_ahead_is_refused():
    with pytest.raises(SignatureExpired):
        serializer(0).loads(serializer(LEEWAY + 1).dumps("form"), max_age=HOUR)


def test_its_lifetime_is_no_longer_than_before():
    made = serializer(0).dumps("form")
    assert serializer(HOUR).loads(made, max_age=HOUR) == "form"
    with pytest.raises(SignatureExpired):
        serializer(HOUR + 1).loads(made, max_age=HOUR)


def test_a_version_without_leeway_reads_it_and_is_read():
    old = URLSafeTimedSerializer(KEY)
    new = URLSafeTimedSerializer(KEY, signer=LenientSigner)
    assert old.loads(new.dumps("form"), max_age=HOUR) == "form"
    assert new.loads(old.dumps("form"), max_age=HOUR) == "form"
    with pytest.raises(BadSignature):
        new.loads(URLSafeTimedSerializer("another key").dumps("form"), max_age=HOUR)
