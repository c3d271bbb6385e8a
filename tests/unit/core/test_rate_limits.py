"""Budgets of networks: a subscriber has one, whichever way the address is written."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.rate_limits import ADDRESSES, ADDRESSES_SHARED, TAGS, RateLimits
from identity.problems import TooManyRequests
from identity.settings import Settings

SHARED = "198.51.100.0/24"


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(Settings(_env_file=None, shared_networks=f"{SHARED}, ::ffff:192.0.2.0/120"))


def spend_all(limits: RateLimits, *callers: str, most: int = ADDRESSES.amount) -> None:
    for number in range(most):
        limits.spend_network(callers[number % len(callers)])


def test_one_address_has_one_budget_in_every_form(limits):
    spend_all(limits, "203.0.113.7", "::ffff:203.0.113.7", "::FFFF:CB00:7107", "[::203.0.113.7]:1")
    with pytest.raises(TooManyRequests):
        limits.spend_network("::ffff:203.0.113.7")


def test_the_whole_of_ipv4_is_not_one_subscriber(limits):
    spend_all(limits, "::ffff:203.0.113.7")
    limits.spend_network("::ffff:203.0.113.8")
    limits.spend_network("203.0.113.8")
    spend_all(limits, "2001:db8::1")
    limits.spend_network("2001:db8:0:1::1")
    for spent in ("::ffff:203.0.113.7", "2001:db8::2"):
        with pytest.raises(TooManyRequests):
            limits.spend_network(spent)


@pytest.mark.parametrize("caller", ["198.51.100.9", "::ffff:198.51.100.9", "192.0.2.9"])
def test_a_shared_network_is_one_however_it_is_written(limits, caller):
    spend_all(limits, caller, most=ADDRESSES.amount + 1)
    assert ADDRESSES_SHARED.amount > ADDRESSES.amount + 1


def test_callers_without_an_address_spend_no_budget_but_theirs(limits):
    spend_all(limits, "unreadable via 192.0.2.1")
    with pytest.raises(TooManyRequests):
        limits.spend_network("unreadable via 192.0.2.1")
    for other in ("192.0.2.1", "unreadable via 192.0.2.2", "unix", "203.0.113.7"):
        limits.spend_network(other)


def test_ten_tags_of_one_mailbox_a_day_come_from_one_network(limits):
    def typed(address, caller="203.0.113.7"):
        limits.spend_tag(caller, EmailAddress.parse(address))

    for number in range(TAGS.amount):
        typed(f"victim+{number}@association.example")
    with pytest.raises(TooManyRequests):
        typed("victim+again@association.example")
    typed("victim@association.example")
    typed("other+tag@association.example")
    typed("victim+tag@association.example", "203.0.113.8")
    for number in range(TAGS.amount):
        typed("v.ictim@gmail.com" if number % 2 else "vict.im@googlemail.com")
    with pytest.raises(TooManyRequests):
        typed("victi.m@gmail.com")


def test_what_was_told_is_no_news_for_an_hour(limits):
    assert [limits.is_news("a"), limits.is_news("a"), limits.is_news("b")] == [True, False, True]
