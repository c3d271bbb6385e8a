"""What may stand before the @ is the same at every door."""

import pytest

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from tests.integration.routing.test_routing import served
from tests.worlds.api import *
from tests.worlds.api import API, DEFAULT, domain

REFUSED = (
    *("a%25evil.com@ac-rouen.example", "evil.com!a@ac-rouen.example", "-a@ac-rouen.example"),
    *("=?utf-8?q?x=40evil.example=2c?=foo@ac-rouen.example", "r%26d@ac-rouen.example"),
    *("srs0=a=b@asso.example", "a=evil.com@asso.example"),
)


@pytest.mark.parametrize("path", ["/info", "/internal-info"])
@pytest.mark.parametrize("address", REFUSED)
def test_routing_knows_no_such_address(services, path, address):
    listener = "internal" if path == "/internal-info" else "public"
    client = served(
        services, domain("ac-rouen.example", "education.example"), DEFAULT, listener=listener
    )
    quoted = address.replace("?", "%3F").replace("=", "%3D")
    answer = client.get(f"{API}{path}?medium=email&address={quoted}")
    assert (answer.status_code, answer.json["errcode"]) == (400, "M_INVALID_EMAIL")


def test_a_rule_opens_a_sign_at_its_door(services):
    wide = Rule(
        *(RuleKind.DOMAIN, "ac-rouen.example", AccountClass.AGENT, "education.example"),
        requires_invite=False,
        extra_signs="&",
    )
    client = served(services, wide, DEFAULT)
    answer = client.get(f"{API}/info?medium=email&address=r%26d@ac-rouen.example")
    assert answer.json["hs"] == "education.example"
    assert RuleSet.compile([wide]).read("R&D@ac-rouen.example").local == "r&d"
