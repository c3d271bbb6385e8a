import re

import pytest
from hypothesis import given, strategies as st

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.user_ids import Scheme, homeserver_in, make_localpart

MATRIX = re.compile(r"[a-z0-9._=/-]{1,200}")
LOCALS = st.text("a1._-+=%'éß", min_size=1, max_size=64)
DOMAINS = st.text("a1.-é", min_size=1, max_size=180).map("{}.example".format)


def read(local, domain):
    try:
        return EmailAddress.parse(f"{local}@{domain}", smtputf8=True)
    except InvalidAddress:
        return None


ADDRESSES = st.builds(read, LOCALS, DOMAINS).filter(bool)
LONG = st.builds(read, st.text("+=", min_size=60, max_size=64), st.just("a-b." * 30 + "example"))


def by_address(text):
    return make_localpart(Scheme.ADDRESS, EmailAddress.parse(text, smtputf8=True), token="")


def test_an_address_is_written_out_with_its_domain():
    assert by_address("Camille.Durand@ac-rouen.example") == "camille.durand-ac=2drouen.example"
    assert by_address("jean-paul+x@asso.example") == "jean=2dpaul=2bx-asso.example"
    assert by_address("é=@asso.example") == "=c3=a9=3d-asso.example"


def test_where_the_hyphen_stands_is_not_lost():
    names = {
        by_address("a-b@c.example"),
        by_address("a@b-c.example"),
        by_address("a=2db@c.example"),
    }
    assert len(names) == 3


def test_a_name_is_cut_only_above_two_hundred_bytes():
    domain = f"{'b' * 60}.{'c' * 60}.example"
    assert by_address("a" * 64 + f"@{domain}") == "a" * 64 + f"-{domain}"
    cut = by_address("_" * 64 + f"@{domain}")
    assert len(cut) == 200
    assert cut.startswith("=5f=5f")
    assert cut.count("--") == 1


@pytest.mark.slow
@given(st.lists(st.one_of(ADDRESSES, LONG), max_size=8, unique_by=str))
def test_two_addresses_never_share_an_id(addresses):
    names = [make_localpart(Scheme.ADDRESS, address, token="t") for address in addresses]
    assert len(set(names)) == len(addresses)
    assert all(MATRIX.fullmatch(name) for name in names)


@pytest.mark.slow
@given(ADDRESSES, st.text())
def test_a_random_id_comes_from_the_token_alone(address, token):
    name = make_localpart(Scheme.RANDOM, address, token=token)
    assert re.fullmatch(r"guest-[a-z2-7]{10}", name)
    assert name == make_localpart(Scheme.RANDOM, EmailAddress.parse("x@asso.example"), token=token)
    assert name != make_localpart(Scheme.RANDOM, address, token=token + "x")


def test_tchaps_ids_drop_what_matrix_does_not_take():
    def tchap(text):
        return make_localpart(Scheme.TCHAP, EmailAddress.parse(text), token="")

    assert tchap("Camille.Durand@ac-rouen.example") == "camille.durand-ac-rouen.example"
    assert tchap("a_b/c=d@asso.example") == "a_b/c=d-asso.example"
    assert tchap("o'neil+x@asso.example") == "oneilx-asso.example"


@pytest.mark.parametrize(
    ("user_id", "homeserver"),
    [
        ("@camille:education.example", "education.example"),
        ("@Camille_=/+é!:education.example:8448", "education.example:8448"),
        ("@camille:[2001:db8::1]:8448", "[2001:db8::1]:8448"),
        ("@" + "a" * 235 + ":education.example", "education.example"),
    ],
)
def test_a_user_id_names_its_homeserver(user_id, homeserver):
    assert homeserver_in(user_id) == homeserver


@pytest.mark.parametrize(
    "text",
    [
        *("", "camille", "@camille", "camille:education.example", "@:education.example"),
        *("@camille:", "@ca mille:education.example", "@camille:education.example\n"),
        *("@cam\u202eille:education.example", "@cam\0ille:education.example"),
        *("@cam\ud800ille:education.example", "@camille:éducation.example"),
        *("@" + "a" * 237 + ":education.example", "@" + "é" * 120 + ":education.example"),
    ],
)
def test_what_is_no_user_id_names_none(text):
    assert homeserver_in(text) is None
