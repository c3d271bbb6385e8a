"""A plain domain is not given to email-validator, which would say the same of it."""

import pytest
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from hypothesis import example, given, strategies as st

from domain_rules import addresses
from domain_rules.addresses import InvalidAddress, parse_domain

LABELS = st.text("ax1-", min_size=1, max_size=6) | st.sampled_from(("xn--", "n" * 63, "n" * 64))
ENDS = st.sampled_from(("example", "fr", "c", "c1", "1c", *SPECIAL_USE_DOMAIN_NAMES))
DOMAINS = st.builds(
    ".".join, st.builds(lambda *parts: [*parts[0], parts[1]], st.lists(LABELS, max_size=5), ENDS)
)


def by_the_library(domain):
    try:
        return validate_email(f"a@{domain}", check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return None


def by_us(domain):
    try:
        return parse_domain(domain)
    except InvalidAddress:
        return None


@given(domain=DOMAINS)
@example("a--b.example")
@example("ab--c.example")
@example("x-.example")
@example("home.arpa")
@example("n.local")
@example("a.1c")
@example("a.c1")
@example(".".join(["n" * 49] * 4) + ".fr")
@example(".".join(["n" * 60] * 4) + ".example")
def test_it_is_read_as_the_library_reads_it(domain):
    assert by_us(domain) == by_the_library(domain)


def test_it_is_read_without_the_library(monkeypatch):
    def refuse(*_given, **_named):
        raise AssertionError("asked")

    monkeypatch.setattr(addresses, "validate_email", refuse)
    assert parse_domain("Plain-1.Some-Where.example") == "plain-1.some-where.example"
    with pytest.raises(AssertionError, match="asked"):
        parse_domain("ministère.example")
