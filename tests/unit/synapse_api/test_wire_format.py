"""Rules between Guichet and its module: what is written is read, and what one side does not know harms nothing."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.wire_format import UnreadableRules, read_rules, write_rule

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
LATER = datetime(2028, 1, 1, tzinfo=UTC)
AGENTS = {"kind": "domain", "pattern": "a.example", "class": "agent", "homeserver": "hs.example"}
GUESTS = {"kind": "default", "class": "guest", "homeserver": "g.example", "requires_invite": True}


def read(*rules, **beside):
    return read_rules({"rules": list(rules)} | beside, revision=1, at=NOW)


def class_of(reading, address) -> str:
    decision = reading.in_force.decide(EmailAddress.parse(address))
    return str(decision.account_class)


moments = st.none() | st.datetimes(min_value=datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # the zone is given beside
some_rules = st.builds(
    lambda kind, is_agent, homeserver, requires, organisation, until, signs: Rule(
        kind,
        "" if kind is RuleKind.DEFAULT else "a.example",
        AccountClass.AGENT if is_agent else AccountClass.GUEST,
        homeserver,
        requires_invite=requires,
        organisation=organisation,
        valid_until=until,
        extra_signs=signs,
    ),
    st.sampled_from([RuleKind.DOMAIN, RuleKind.SUFFIX, RuleKind.DEFAULT]),
    st.booleans(),
    st.sampled_from(["hs.example", "é.example:8448"]),
    st.booleans(),
    st.text(),
    moments,
    st.sampled_from(["", "=", "=&/"]),
)


@pytest.mark.slow
@given(some_rules)
def test_a_rule_that_is_written_is_read_again_the_same(rule):
    told = json.loads(json.dumps(write_rule(rule)))
    assert read(told).every == (rule,)


def test_what_is_as_usual_is_left_out():
    rule = Rule(
        RuleKind.DOMAIN, "a.example", AccountClass.AGENT, "hs.example", requires_invite=False
    )
    assert write_rule(rule) == AGENTS


def test_a_protected_homeserver_is_told_its_own_name():
    rule = Rule(
        *(RuleKind.DOMAIN, "a.example", AccountClass.AGENT, "hs.example"),
        requires_invite=False,
        protected_homeserver="safe.example",
    )
    assert write_rule(rule, protected="safe.example")["homeserver"] == "safe.example"
    assert write_rule(rule, protected="other.example")["homeserver"] == "hs.example"


def test_fields_that_are_to_come_are_ignored():
    reading = read(AGENTS | {"colour": "blue", "conditions": [{"after": 3}]}, GUESTS, colours=[1])
    assert reading == read(AGENTS, GUESTS)
    assert reading.skipped == ()


@pytest.mark.parametrize(
    ("strange", "why"),
    [
        (
            {"kind": "tribe", "pattern": "b.example", "homeserver": "hs.example"},
            "tribe:b.example: ",
        ),
        ({"pattern": "b.example", "class": "agent", "homeserver": "hs.example"}, "rule 1: "),
        ({"kind": "domain", "class": "agent", "homeserver": "hs.example"}, "domain:: "),
        (AGENTS | {"pattern": ["b.example"]}, "pattern is no text"),
        (AGENTS | {"pattern": "b.example", "homeserver": 7}, "homeserver is no text"),
        (AGENTS | {"pattern": "b.example", "valid_until": "yesterday"}, "yesterday"),
        (AGENTS | {"pattern": "b.example", "valid_until": "2027-05-01T00:00:00"}, "no time zone"),
        ({"kind": "default", "class": "guest"}, "default"),
        (["domain"], "rule 1: no rule"),
        (None, "rule 1: no rule"),
        ("domain:b.example", "rule 1: no rule"),
        ([], "rule 1: "),
    ],
)
def test_a_rule_that_cannot_be_read_is_skipped_and_told_and_the_others_decide(strange, why):
    reading = read(AGENTS, strange, GUESTS)
    assert reading.every == read(AGENTS, GUESTS).every
    (said,) = reading.skipped
    assert why in said
    assert class_of(reading, "ana@a.example") == "agent"


def test_people_of_a_class_that_is_unknown_are_guests_and_not_whatever_a_wider_rule_says():
    wider = AGENTS | {"kind": "suffix", "pattern": "example"}
    reading = read(wider, AGENTS | {"class": "observer"}, GUESTS)
    assert class_of(reading, "ana@a.example") == "guest"
    assert class_of(reading, "ana@b.example") == "agent"
    (said,) = reading.skipped
    assert "'observer' is unknown here" in said


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_rules_that_seem_the_same_here_the_one_stays_that_opens_less(order):
    both = [AGENTS | {"only_at": "night"}, AGENTS | {"class": "guest", "homeserver": "g.example"}]
    reading = read(*both[::order], GUESTS)
    assert class_of(reading, "ana@a.example") == "guest"
    assert reading.skipped == ("domain:a.example: there are two",)


@pytest.mark.parametrize("rules", [None, {}, "rules", [{"kind": "tribe"}], [None], [3, ["x"]]])
def test_where_no_rule_can_be_read_nothing_is_taken(rules):
    with pytest.raises(UnreadableRules):
        read_rules({"rules": rules}, revision=1, at=NOW)


def test_no_rules_at_all_are_a_revision_too():
    assert read().every == ()


def test_a_rule_that_begins_later_is_kept_and_not_in_force():
    reading = read(AGENTS | {"valid_from": LATER.isoformat()}, GUESTS)
    assert len(reading.every) == 2
    assert class_of(reading, "ana@a.example") == "guest"
