"""Where an address belongs, as clients and homeservers are told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain_rules.rules import RuleSet
from identity.app import create_app
from tests.worlds.api import *
from tests.worlds.api import API, DEFAULT, FEDERATION, FixedRules, ask, domain

INSIDE, OUTSIDE = "10.1.2.3", "203.0.113.5"


def served(services, *rules, listener="public"):
    fixed = FixedRules(RuleSet.compile(rules, revision=1))
    return create_app(replace(services, rules=fixed), listener=listener).test_client()


@pytest.mark.parametrize(
    ("address", "hs", "account_class", "reason"),
    [
        ("ana@ac-rouen.example", "education.example", "agent", "open"),
        ("ana@dep.interieur.example", "interieur.example", "agent", "open"),
        ("ana@interieur.example", "interieur.example", "agent", "open"),
        ("ana@ac-normandie.example", "guests.example", "guest", "sibling"),
        ("gil+1@asso.example", "guests.example", "guest", "open"),
        ("gil@asso.example", "guests.example", "guest", "invite_required"),
        ("ana@evil-ac-rouen.example", "guests.example", "guest", "invite_required"),
    ],
)
def test_info_names_the_homeserver_of_the_rule(public, address, hs, account_class, reason):
    answer = ask(public, address).json
    ours = answer.pop("org.guichet")
    assert answer == {"hs": hs}
    assert (ours["account_class"], ours["reason"]) == (account_class, reason)


def test_info_says_the_rest_under_our_key(public):
    assert ask(public, "ana@ac-rouen.example").json["org.guichet"] == {
        "account_class": "agent",
        "organisation": "Rouen",
        "sibling": None,
        "reason": "open",
        "revision": 7,
    }
    sibling = ask(public, "ana@ac-normandie.example").json["org.guichet"]
    assert sibling["sibling"] == "ac-rouen.example"


def test_info_never_tells_of_invitations(public):
    for address in ("ana@ac-rouen.example", "gil@asso.example"):
        assert not {"requires_invite", "invited"} & set(ask(public, address).json)


def test_nobodys_address_is_answered_with_nothing(services):
    answer = ask(served(services, *FEDERATION), "gil@asso.example")
    assert (answer.status_code, answer.json) == (200, {})


def test_a_sibling_is_told_even_where_no_default_takes_its_people(services):
    answer = ask(served(services, *FEDERATION), "ana@ac-normandie.example").json
    assert "hs" not in answer
    assert answer["org.guichet"]["sibling"] == "ac-rouen.example"


def test_nobodys_address_may_register_nowhere(services):
    client = served(services, *FEDERATION, listener="internal")
    answer = ask(client, "gil@asso.example", path="/internal-info").json
    assert answer.pop("org.guichet")["reason"] == "nobody"
    assert answer == {"requires_invite": True, "invited": False}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            "ana@ac-rouen.example",
            {"hs": "education.example", "requires_invite": False, "invited": False},
        ),
        (
            "ana@defense.example",
            {
                "hs": "inside.example",
                "shadow_hs": "agents.example",
                "requires_invite": False,
                "invited": False,
            },
        ),
        (
            "gil@asso.example",
            {"hs": "guests.example", "requires_invite": True, "invited": False},
        ),
    ],
)
def test_internal_info_says_where_an_address_may_register(internal, address, expected):
    answer = ask(internal, address, path="/internal-info").json
    assert answer.pop("org.guichet")["revision"] == 7
    assert answer == expected


PUBLIC_ONE = {"hs": "agents.example"}
PROTECTED_ONE = {"hs": "inside.example", "shadow_hs": "agents.example"}


@pytest.mark.parametrize(
    ("ip", "forwarded", "expected"),
    [
        (INSIDE, [], PROTECTED_ONE),
        ("2001:db8:1::7", [], PROTECTED_ONE),
        (f"::ffff:{INSIDE}", [], PROTECTED_ONE),
        (OUTSIDE, [], PUBLIC_ONE),
        ("10.2.0.1", [], PUBLIC_ONE),
        ("2001:db8:2::7", [], PUBLIC_ONE),
        # One trusted proxy, or two of them.
        ("127.0.0.1", [INSIDE], PROTECTED_ONE),
        ("127.0.0.1", [f"{INSIDE}, 192.0.2.8"], PROTECTED_ONE),
        ("127.0.0.1", [INSIDE, "192.0.2.8"], PROTECTED_ONE),
        ("127.0.0.1", [OUTSIDE], PUBLIC_ONE),
        ("127.0.0.1", [f"{OUTSIDE}, 192.0.2.8"], PUBLIC_ONE),
        # What the caller wrote himself stands before what the proxies wrote.
        ("127.0.0.1", [f"{INSIDE}, {OUTSIDE}"], PUBLIC_ONE),
        ("127.0.0.1", [INSIDE, f"{OUTSIDE}, 192.0.2.8"], PUBLIC_ONE),
        ("127.0.0.1", [f"{OUTSIDE}, {INSIDE}"], PROTECTED_ONE),
        # A caller who is no trusted proxy is believed nothing.
        (OUTSIDE, [INSIDE], PUBLIC_ONE),
        (OUTSIDE, [f"{INSIDE}, 127.0.0.1"], PUBLIC_ONE),
        (INSIDE, [OUTSIDE], PROTECTED_ONE),
        # Not an address at all.
        ("127.0.0.1", [f"{INSIDE}, unknown"], PUBLIC_ONE),
        ("127.0.0.1", [""], PUBLIC_ONE),
        # With the port, as some proxies write it, it is one.
        ("127.0.0.1", [f"{INSIDE}:443"], PROTECTED_ONE),
    ],
)
def test_a_protected_homeserver_is_named_inside_its_networks_only(public, ip, forwarded, expected):
    headers = [("X-Forwarded-For", value) for value in forwarded]
    answer = ask(public, "ana@defense.example", ip=ip, headers=headers).json
    del answer["org.guichet"]
    assert answer == expected


def test_nothing_else_depends_on_where_the_caller_is(public):
    inside, outside = (ask(public, "ana@defense.example", ip=ip) for ip in (INSIDE, OUTSIDE))
    assert inside.json["org.guichet"] == outside.json["org.guichet"]
    inside, outside = (ask(public, "ana@ac-rouen.example", ip=ip) for ip in (INSIDE, OUTSIDE))
    assert inside.data == outside.data


@pytest.mark.parametrize(
    "typed",
    ["GIL+1@ASSO.EXAMPLE", "Gil+1@asso.Example", " gil+1@asso.example ", "gil 1@asso.example"],
)
@pytest.mark.parametrize("path", ["/info", "/internal-info"])
def test_one_address_has_one_answer_however_it_is_written(internal, typed, path):
    assert (
        ask(internal, typed, path=path).data == ask(internal, "gil+1@asso.example", path=path).data
    )


@pytest.mark.parametrize("written", ["gil+1@asso.example", "gil%2B1%40asso.example"])
def test_a_plus_survives_whether_or_not_it_is_encoded(public, written):
    answer = public.get(f"{API}/info?medium=email&address={written}")
    assert answer.json["org.guichet"]["reason"] == "open"


def test_the_domain_may_be_written_in_unicode(services):
    client = served(services, domain("xn--luc-dma.example", "education.example"))
    for typed in ("a@lucé.example", "a@LUCÉ.example", "a@xn--luc-dma.example"):
        assert ask(client, typed).json["hs"] == "education.example"


def test_a_domain_that_moved_names_its_former_homeservers_for_a_while(services, clock):
    moved = domain(
        "moved.example",
        "new.example",
        moved_from=("old.example",),
        moving_until=clock() + timedelta(days=60),
    )
    client = served(services, moved)
    assert ask(client, "a@moved.example").json["org.guichet"]["former_hs"] == ["old.example"]
    clock.advance(days=61)
    answer = ask(client, "a@moved.example").json
    assert answer["hs"] == "new.example"
    assert "former_hs" not in answer["org.guichet"]


def test_the_default_rule_may_have_a_protected_homeserver_too(services):
    client = served(services, replace(DEFAULT, protected_homeserver="inside.example"))
    assert ask(client, "a@b.example", ip=INSIDE).json["hs"] == "inside.example"
    assert ask(client, "a@b.example", ip=OUTSIDE).json["hs"] == "guests.example"


@pytest.mark.parametrize("path", [API, f"{API}/"])
def test_ping_answers_with_nothing(either, path):
    answer = either.get(path)
    assert (answer.status_code, answer.json) == (200, {})
