"""Mails are counted by a few classes of providers, never by a domain."""

import pytest

from identity.mail.providers import FEDERATION, OTHER, PROVIDERS, provider_class
from tests.worlds.services import *


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ana@gmail.com", "gmail"),
        ("ana@googlemail.com", "gmail"),
        ("ana@hotmail.fr", "outlook"),
        ("ana@wanadoo.fr", "orange"),
        ("camille.durand@ac-rouen.example", FEDERATION),
        ("gil@asso.example", OTHER),
        ("gil@notgmail.com", OTHER),
        ("gil@gmail.com.asso.example", OTHER),
    ],
)
def test_the_class_of_an_address(rules, address, expected):
    assert provider_class(address, rules) == expected


def test_there_are_few_classes_and_each_domain_is_in_one():
    domains = [domain for each in PROVIDERS.values() for domain in each]
    assert len(domains) == len(set(domains))
    assert len(PROVIDERS) < 15
