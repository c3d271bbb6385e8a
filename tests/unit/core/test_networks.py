"""Who calls is read in every form in which proxies write it, and nobody is taken for the proxy."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, given, strategies as st

from identity.networks import (
    UNIX,
    identify_caller,
    is_in,
    network_around,
    read_address,
    read_network,
    subscriber_network,
)

PROXY = "192.0.2.1"
TRUSTED = (ip_network("192.0.2.0/24"), ip_network("2001:db8:ffff::/48"))
CAMILLE = "203.0.113.7"
SIX = "2001:db8:1::7"

ONE_ADDRESS = [
    (CAMILLE, CAMILLE),
    (f"{CAMILLE}:4711", CAMILLE),
    (f"{CAMILLE}:", CAMILLE),
    (f"{CAMILLE}:_gazonk", CAMILLE),
    (f'"{CAMILLE}"', CAMILLE),
    (f'"{CAMILLE}:4711"', CAMILLE),
    (f" \t{CAMILLE}:4711 \t", CAMILLE),
    (SIX, SIX),
    (SIX.upper(), SIX),
    ("2001:0DB8:0001:0000:0000:0000:0000:0007", SIX),
    ("2001:db8:1:0:0:0:0:7:4711", SIX),
    (f"[{SIX}]", SIX),
    (f"[{SIX}]:4711", SIX),
    (f"[{SIX}]:_hidden", SIX),
    (f'"[{SIX}]:4711"', SIX),
    (f'"\\[{SIX}\\]:4711"', SIX),
    (f"{SIX}%eth0", SIX),
    (f"[{SIX}%25eth0]:4711", SIX),
    (f"[{SIX}%eth0]", SIX),
    (f"::ffff:{CAMILLE}", CAMILLE),
    (f"::FFFF:{CAMILLE}", CAMILLE),
    ("::ffff:cb00:7107", CAMILLE),
    ("0:0:0:0:0:FFFF:CB00:7107", CAMILLE),
    (f"[::ffff:{CAMILLE}]:4711", CAMILLE),
    (f'"[::FFFF:{CAMILLE}]:4711"', CAMILLE),
    (f"::ffff:{CAMILLE}%eth0", CAMILLE),
    (f"::{CAMILLE}", CAMILLE),
    (f"::ffff:0:{CAMILLE}", CAMILLE),
    (f"64:ff9b::{CAMILLE}", CAMILLE),
    ("::1", "::1"),
    ("::", "::"),
]
NO_ADDRESS = [
    "unknown",
    "UNKNOWN",
    "unknown:4711",
    "_hidden",
    '"_SEVKISEK"',
    "_gazonk:4711",
    "localhost",
    "client.example",
    "203.0.113",
    "203.0.113.7.8",
    "203.0.113.256",
    "203.0.113.07",  # octal for some, decimal for others
    "0xcb.0.113.7",
    "3405803783",
    "203.0.113.7:4711:1",
    "203.0.113.7:port",
    "203.0.113.7:123456",
    "203.0.113.7/32",
    "203.0.113.7%eth0",
    "203.0.113.7 198.51.100.9",
    "２０３.0.113.7",
    "[2001:db8:1::7",
    "2001:db8:1::7]:4711",
    "[]:4711",
    "[]",
    "2001:db8:::7",
    "2001:db8:1::7/64",
    "1:2:3:4:5:6:7:8:9:10",
    '"',
    '""',
    '"203.0.113.7',
    "for=203.0.113.7",
    "-",
    "\x00",
    "203.0.113.7\x00",
    "é",
    "203.0.113.7" + " " * 4 + "x" * 4000,
]


@pytest.mark.parametrize(("written", "address"), ONE_ADDRESS)
def test_an_address_is_the_same_in_every_form(written, address):
    assert str(read_address(written)) == address
    assert identify_caller(PROXY, [written], TRUSTED).name == address
    assert identify_caller(PROXY, [f"{SIX}, {written}"], TRUSTED).name == address


@pytest.mark.parametrize("written", NO_ADDRESS)
def test_what_cannot_be_read_is_neither_the_proxy_nor_anybody_else_and_is_told(written):
    found = identify_caller(PROXY, [f"{CAMILLE}, {written}"], TRUSTED)
    assert found.name == f"unreadable via {PROXY}"
    assert PROXY in found.fault
    assert subscriber_network(found.name) not in {
        subscriber_network(PROXY),
        subscriber_network(CAMILLE),
    }
    assert not is_in(found.name, [ip_network("0.0.0.0/0"), ip_network("::/0")])


def test_each_proxy_that_names_nobody_has_a_budget_of_its_own():
    names = {identify_caller(proxy, ["unknown"], TRUSTED).name for proxy in (PROXY, "192.0.2.2")}
    assert len(names) == 2
    chained = identify_caller(PROXY, ["unknown, 192.0.2.2"], TRUSTED).name
    assert chained == identify_caller("192.0.2.2", ["unknown"], TRUSTED).name


def test_the_log_is_told_what_kind_of_word_it_was_and_never_the_word():
    for written in ("_secret-of-somebody", "camille@ac-rouen.example", "\x1b[31m"):
        fault = identify_caller(PROXY, [written], TRUSTED).fault
        assert fault
        assert written not in fault
    assert "unknown" in identify_caller(PROXY, ["Unknown"], TRUSTED).fault


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([CAMILLE], CAMILLE),
        ([f"{CAMILLE}, 192.0.2.8"], CAMILLE),
        ([f"{CAMILLE}:1,192.0.2.8:2 , [2001:db8:ffff::1]:3"], CAMILLE),
        ([CAMILLE, "192.0.2.8"], CAMILLE),
        ([f"198.51.100.9, {CAMILLE}"], CAMILLE),
        (["198.51.100.9", CAMILLE], CAMILLE),
        ([f"unknown, {CAMILLE}"], CAMILLE),
        ([f"{CAMILLE}, , 192.0.2.8,,"], CAMILLE),
        ([CAMILLE, "", " , "], CAMILLE),
        # A quotation mark the caller left open swallows nothing.
        ([f'"198.51.100.9, {CAMILLE}'], CAMILLE),
        (['"', f'{CAMILLE}, 192.0.2.8"'], f"unreadable via {PROXY}"),
        # Trusted all the way: a proxy's own network asks.
        (["192.0.2.9, 192.0.2.8"], "192.0.2.9"),
        ([""], f"unreadable via {PROXY}"),
        ([" , ,"], f"unreadable via {PROXY}"),
    ],
)
def test_hops_count_as_far_as_trusted_proxies_wrote_them(headers, expected):
    assert identify_caller(PROXY, headers, TRUSTED).name == expected
    assert identify_caller(f"::ffff:{PROXY}", headers, TRUSTED).name == expected


@pytest.mark.parametrize("peer", [CAMILLE, f"::ffff:{CAMILLE}"])
def test_nobody_else_is_believed(peer):
    assert identify_caller(peer, ["198.51.100.9"], TRUSTED) == identify_caller(peer, [], TRUSTED)
    assert identify_caller(peer, ["198.51.100.9"], TRUSTED).name == CAMILLE


@pytest.mark.parametrize("peer", ["", "unix:", "unix:/run/guichet.sock", "UNIX:"])
def test_a_unix_socket_is_a_proxy_only_where_the_settings_say_so(peer):
    distrusted = identify_caller(peer, [CAMILLE], TRUSTED)
    assert (distrusted.name, "GUICHET_TRUSTED_PROXIES" in distrusted.fault) == (UNIX, True)
    assert identify_caller(peer, [CAMILLE], (*TRUSTED, UNIX)).name == CAMILLE
    assert identify_caller(peer, ["unknown"], (*TRUSTED, UNIX)).name == "unreadable via unix"


def test_a_proxy_may_have_been_asked_through_a_unix_socket_itself():
    assert identify_caller(PROXY, [f"{CAMILLE}, unix:"], (*TRUSTED, UNIX)).name == CAMILLE
    assert identify_caller(PROXY, [f"{CAMILLE}, unix:"], TRUSTED).name == f"unreadable via {PROXY}"


def test_a_connection_whose_end_cannot_be_read_is_nobody_in_particular():
    found = identify_caller("not an address", [CAMILLE], TRUSTED)
    assert found.name == "unreadable"
    assert found.fault


FORWARDED = [
    (f"for={CAMILLE}", CAMILLE),
    (f'for="{CAMILLE}:4711"', CAMILLE),
    (f'For="[{SIX}]:4711"', SIX),
    (f'FOR="[{SIX.upper()}]"', SIX),
    (f"by=203.0.113.43;proto=http; for = {CAMILLE} ;host=guichet.example", CAMILLE),
    (f"for=198.51.100.9, for={CAMILLE};proto=https", CAMILLE),
    (f'for=198.51.100.9, for={CAMILLE}, for="192.0.2.8:443"', CAMILLE),
    (f'for="198.51.100.9, for={CAMILLE}', CAMILLE),
    (f'for=198.51.100.9;x=", for={CAMILLE}', CAMILLE),
    ("for=unknown", f"unreadable via {PROXY}"),
    ("for=_hidden", f"unreadable via {PROXY}"),
    ("for=", f"unreadable via {PROXY}"),
    (f"by={CAMILLE}", f"unreadable via {PROXY}"),
    (f"for=198.51.100.9;for={CAMILLE}", f"unreadable via {PROXY}"),
    (CAMILLE, f"unreadable via {PROXY}"),
]


@pytest.mark.parametrize(("value", "expected"), FORWARDED)
def test_forwarded_is_read_where_the_settings_say_so(value, expected):
    assert identify_caller(PROXY, [value], TRUSTED, header="forwarded").name == expected


def test_a_proxy_that_speaks_in_the_other_header_is_not_taken_for_the_caller():
    silent = identify_caller(PROXY, [], TRUSTED, has_other_header=True)
    assert silent.name == f"unreadable via {PROXY}"
    assert "x-forwarded-for" in silent.fault
    alone = identify_caller(PROXY, [], TRUSTED)
    assert (alone.name, bool(alone.fault)) == (PROXY, True)


FOURS = st.integers(1, 2**32 - 1).map(IPv4Address)
SIXES = st.integers(2**120, 2**128 - 1).map(IPv6Address)
PORTS = st.integers(0, 65535)


def written_forms(ip, port):
    """How proxies write one address."""
    if ip.version == 4:
        six = int(ip) | 0xFFFF << 32
        forms = [str(ip), f"{ip}:{port}", f"::ffff:{ip}", f"[{IPv6Address(six)}]:{port}"]
    else:
        forms = [str(ip), ip.exploded, f"[{ip}]", f"[{ip.exploded}]:{port}", f"{ip}%3"]
    return [form for each in forms for form in (each, each.upper(), f'"{each}"')]


@pytest.mark.slow
@given(FOURS | SIXES, PORTS)
def test_every_address_is_one_caller_in_every_form(ip, port):
    assert {str(read_address(form)) for form in written_forms(ip, port)} == {str(ip)}
    assert len({subscriber_network(form) for form in written_forms(ip, port)}) == 1


@pytest.mark.slow
@given(st.text(max_size=60))
def test_whatever_a_proxy_writes_somebody_is_calling_who_is_not_the_proxy(text):
    for header in ("x-forwarded-for", "forwarded"):
        found = identify_caller(PROXY, [text], TRUSTED, header=header)
        assert found.name != PROXY or PROXY in text
        try:
            ip_address(found.name)
        except ValueError:
            assert found.name in {f"unreadable via {PROXY}"} | {
                f"unreadable via {n}" for n in hops(text)
            }
            assert found.fault


def hops(text):
    """The trusted proxies a text names, should chance write one."""
    read = (read_address(part.partition("=")[2] or part) for part in text.split(","))
    return {str(ip) for ip in read if ip and is_in(str(ip), TRUSTED)}


@pytest.mark.slow
@given(st.text(max_size=60), FOURS)
def test_what_a_caller_writes_never_changes_what_the_proxy_wrote_behind_it(text, ip):
    written = str(ip)
    assume(not is_in(written, TRUSTED))
    assert identify_caller(PROXY, [f"{text}, {written}"], TRUSTED).name == written
    assert (
        identify_caller(PROXY, [text, f"for={written}"], TRUSTED, header="forwarded").name
        == written
    )


@pytest.mark.parametrize(
    ("name", "v4", "v6", "network"),
    [
        (CAMILLE, 32, 64, "203.0.113.7/32"),
        (f"::ffff:{CAMILLE}", 32, 64, "203.0.113.7/32"),
        (CAMILLE, 24, 48, "203.0.113.0/24"),
        (CAMILLE, 16, 48, "203.0.0.0/16"),
        ("2001:db8:1:2:3:4:5:6", 32, 64, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6", 16, 48, "2001:db8:1::/48"),
        (f"unreadable via {PROXY}", 16, 48, f"unreadable via {PROXY}"),
        (UNIX, 24, 64, UNIX),
    ],
)
def test_an_address_is_counted_in_networks_of_any_size(name, v4, v6, network):
    assert network_around(name, v4, v6) == network


def test_a_subscriber_has_one_address_of_ipv4_or_a_64_of_ipv6():
    assert subscriber_network(CAMILLE) != subscriber_network("203.0.113.8")
    assert subscriber_network(f"{SIX}") == subscriber_network("2001:db8:1::8")


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
    ],
)
def test_networks_of_the_settings_are_ipv4_where_callers_are(written, network):
    assert str(read_network(written)) == network
