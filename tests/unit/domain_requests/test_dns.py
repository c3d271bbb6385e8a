"""What the DNS is asked, over a real server on loopback, and what comes of silence and nonsense."""

from dataclasses import replace

import pytest

from identity.core.dns_answers import Found
from identity.core.dns_client import Budget, DnsClient, is_public

ZONE = "ac-normandie.example"


@pytest.fixture
def zone(dns_server):
    dns_server.add_zone(ZONE)
    return dns_server


def test_mail_servers_come_in_their_order_and_a_null_mx_has_no_host(zone):
    zone.put(ZONE, "MX", "20 b.mail.example.", "10 A.mail.example.")
    found, servers = zone.client.mail_servers(ZONE, Budget(5))
    assert (found, [each.host for each in servers]) == (
        Found.SOME,
        ["a.mail.example", "b.mail.example"],
    )
    zone.put(ZONE, "MX", "0 .")
    assert [each.host for each in zone.client.mail_servers(ZONE, Budget(5))[1]] == [""]


def test_a_name_without_records_and_one_that_is_not_there_have_none(zone):
    assert zone.client.texts(ZONE, Budget(5)).found is Found.NONE
    assert zone.client.mail_servers("nowhere.example", Budget(5)) == (Found.NONE, ())


def test_the_servers_of_the_zone_are_asked_themselves(zone):
    zone.put(f"_guichet.{ZONE}", "TXT", '"guichet-domain=" "abc"')
    answer = zone.client.texts_at_zone(f"_guichet.{ZONE}", Budget(5))
    assert (answer.texts, answer.server) == (("guichet-domain=abc",), f"ns1.{ZONE}")
    assert (f"_guichet.{ZONE}", "TXT") in zone.asked


def test_an_answer_that_does_not_fit_is_asked_for_again_over_tcp(zone):
    zone.put(ZONE, "TXT", *(f'"{letter * 200}"' for letter in "abcdef"))
    answer = zone.client.texts_at_zone(ZONE, Budget(5))
    assert sorted(text[0] for text in answer.texts) == list("abcdef")
    assert zone.asked.count((ZONE, "TXT")) == 2


def test_an_answer_without_authority_counts_for_nothing(zone):
    zone.put(ZONE, "TXT", '"forged"')
    zone.has_authority = False
    assert zone.client.texts_at_zone(ZONE, Budget(5)).found is Found.NO_ANSWER


def test_silence_ends_with_the_budget(zone):
    zone.is_silent = True
    budget = Budget(0.3)
    assert zone.client.texts(ZONE, budget).found is Found.NO_ANSWER
    assert zone.client.texts_at_zone(ZONE, budget).found is Found.NO_ANSWER
    assert zone.client.mail_servers(ZONE, budget) == (Found.NO_ANSWER, ())
    assert budget.left < 0.1


def test_name_servers_at_private_addresses_are_not_asked(zone):
    zone.put(f"_guichet.{ZONE}", "TXT", '"guichet-domain=abc"')
    shy = replace(zone.client, asks_private=False)
    assert shy.texts_at_zone(f"_guichet.{ZONE}", Budget(5)).found is Found.NO_ANSWER
    assert (f"_guichet.{ZONE}", "TXT") not in zone.asked


@pytest.mark.parametrize(
    ("address", "may"),
    [
        *(("194.57.1.1", True), ("2001:660:1::1", True), ("64:ff9b::c239:101", True)),
        *(("10.1.2.3", False), ("169.254.169.254", False), ("224.0.0.251", False)),
        *(("::1", False), ("fd00::1", False), ("fec0::1", False), ("ff02::fb", False)),
        *(("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False)),
        ("2001:0:1:1:1:1:80ff:fffe", False),  # Teredo
    ],
)
def test_only_addresses_of_the_public_internet_are_asked(address, may):
    assert is_public(address) is may


def test_a_name_that_is_too_long_is_nowhere(zone):
    name = "_guichet." + ".".join(["a" * 62] * 4)
    assert zone.client.texts_at_zone(name, Budget(5)).found is Found.NONE


def test_of_many_records_none_is_lost(zone):
    zone.put(ZONE, "TXT", *(f'"verification-{n}"' for n in range(60)), '"v=spf1 -all"')
    assert "v=spf1 -all" in zone.client.texts(ZONE, Budget(5)).texts


def test_what_a_record_holds_is_shown_without_control_characters(zone):
    zone.put(ZONE, "TXT", r'"a\000b\009<script>"')
    assert zone.client.texts(ZONE, Budget(5)).texts == ("a·b·<script>",)


def test_a_resolver_that_is_away_is_no_answer():
    assert DnsClient(("127.0.0.1",), 1).texts(ZONE, Budget(0.2)).found is Found.NO_ANSWER
