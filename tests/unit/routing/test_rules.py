from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from domain_rules.addresses import EmailAddress
from domain_rules.display import display_domain
from domain_rules.rule import AccountClass, InvalidRule, Rule, RuleKind
from domain_rules.rules import ConflictingRules, DecisionReason, RuleSet

NOON = datetime(2027, 3, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def agents(kind, pattern, homeserver="agents.example", **facts):
    facts.setdefault("requires_invite", False)
    return Rule(RuleKind(kind), pattern, AccountClass.AGENT, homeserver, **facts)


DEFAULT = Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, "guests.example", requires_invite=True)
SIBLING = agents(
    "domain", "ac-normandie.example", None, sibling_of="ac-rouen.example", organisation="Rouen"
)
RULES = [
    agents("suffix", "gouv.example", "state.example"),
    agents("suffix", "interieur.gouv.example", "interior.example"),
    agents("domain", "interieur.gouv.example", "headquarters.example"),
    agents("address", "chief@interieur.gouv.example", "cabinet.example"),
    agents("domain", "ac-rouen.example", "education.example"),
    SIBLING,
    DEFAULT,
]


def decide(text, rules=RULES):
    return RuleSet.compile(rules).decide(EmailAddress.parse(text))


@pytest.mark.parametrize(
    ("text", "homeserver", "name"),
    [
        ("chief@interieur.gouv.example", "cabinet.example", "address:chief@interieur.gouv.example"),
        ("a@interieur.gouv.example", "headquarters.example", "domain:interieur.gouv.example"),
        ("a@sub.interieur.gouv.example", "interior.example", "suffix:interieur.gouv.example"),
        ("a@b.sub.interieur.gouv.example", "interior.example", "suffix:interieur.gouv.example"),
        ("a@gouv.example", "state.example", "suffix:gouv.example"),
        ("a@culture.gouv.example", "state.example", "suffix:gouv.example"),
        ("a@evilgouv.example", "guests.example", "default"),
        ("a@gouv.example.evil.com", "guests.example", "default"),
        ("a@ac-rouen.example", "education.example", "domain:ac-rouen.example"),
        ("a@sub.ac-rouen.example", "guests.example", "default"),
        ("a@acxrouen.example", "guests.example", "default"),
        ("a@аc-rouen.example", "guests.example", "default"),  # its first letter is Cyrillic
    ],
)
def test_the_narrowest_rule_decides(text, homeserver, name):
    decision = decide(text)
    assert decision.homeserver == homeserver
    assert decision.rule.name == name


def test_an_agent_comes_in_and_a_guest_needs_an_invitation():
    agent, guest = decide("a@ac-rouen.example"), decide("a@asso.example")
    assert (agent.reason, agent.account_class, agent.requires_invite) == (
        DecisionReason.OPEN,
        AccountClass.AGENT,
        False,
    )
    assert (guest.reason, guest.account_class, guest.requires_invite) == (
        DecisionReason.INVITE_REQUIRED,
        AccountClass.GUEST,
        True,
    )


def test_a_sibling_is_told_the_domain_to_use_and_belongs_to_the_default():
    decision = decide("a@ac-normandie.example")
    assert decision.reason is DecisionReason.SIBLING
    assert (decision.sibling, decision.organisation) == ("ac-rouen.example", "Rouen")
    assert decision.homeserver == "guests.example"
    assert decision.account_class is AccountClass.GUEST
    assert decision.requires_invite


def test_without_a_default_a_sibling_is_nobodys_and_still_told():
    decision = decide("a@ac-normandie.example", [SIBLING])
    assert (decision.reason, decision.sibling) == (DecisionReason.SIBLING, "ac-rouen.example")
    assert (decision.homeserver, decision.account_class) == (None, None)
    assert decision.requires_invite


def test_without_a_default_an_unknown_address_is_nobodys():
    decision = decide("a@asso.example", [])
    assert (decision.reason, decision.homeserver, decision.rule) == (
        DecisionReason.NOBODY,
        None,
        None,
    )
    assert decision.requires_invite


def test_a_decision_tells_its_revision_and_protected_homeserver():
    rule = agents("domain", "ac-rouen.example", protected_homeserver="inside.example")
    rules = RuleSet.compile([rule], revision=7)
    decision = rules.decide(EmailAddress.parse("a@ac-rouen.example"))
    assert (decision.revision, decision.protected_homeserver) == (7, "inside.example")
    assert rules.revision == 7


def test_the_explanation_names_every_rule_looked_for_and_the_one_that_won():
    rules = RuleSet.compile(RULES)
    explanation = rules.explain(EmailAddress.parse("a@culture.gouv.example"))
    assert [(tried.name, tried.matched, tried.won) for tried in explanation.tried] == [
        ("address:a@culture.gouv.example", False, False),
        ("domain:culture.gouv.example", False, False),
        ("suffix:culture.gouv.example", False, False),
        ("suffix:gouv.example", True, True),
        ("suffix:example", False, False),
        ("default", True, False),
    ]
    assert explanation.decision == rules.decide(explanation.address)


LABELS = st.sampled_from(["a", "b", "gouv", "rouen", "lucé"])
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(
    lambda labels: ".".join([*labels, "example"])
)
ADDRESSES = st.builds("{}@{}".format, st.sampled_from("xyz"), DOMAINS).map(EmailAddress.parse)
PATTERNS = st.one_of(
    st.tuples(st.just("address"), ADDRESSES.map(str)),
    st.tuples(
        st.sampled_from(["domain", "suffix"]), ADDRESSES.map(lambda address: address.ascii_domain)
    ),
)
RULE_LISTS = st.lists(
    st.builds(
        lambda pattern, server: agents(*pattern, server),
        PATTERNS,
        st.sampled_from(["one.example", "two.example"]),
    ),
    max_size=12,
    unique_by=lambda rule: rule.name,
)


def decide_slowly(rules, address):
    """The precedence as it is written, over every rule."""

    def matches(rule):
        domain = address.ascii_domain
        return {
            RuleKind.ADDRESS: rule.pattern == address.canonical,
            RuleKind.DOMAIN: rule.pattern == domain,
            RuleKind.SUFFIX: f".{domain}".endswith(f".{rule.pattern}"),
            RuleKind.DEFAULT: True,
        }[rule.kind]

    order = list(RuleKind)
    found = [rule for rule in rules if matches(rule)]
    return min(found, key=lambda rule: (order.index(rule.kind), -len(rule.pattern)), default=None)


@pytest.mark.slow
@given(RULE_LISTS, st.randoms(use_true_random=False), ADDRESSES, st.booleans())
def test_the_order_of_rules_never_matters(rules, random, address, with_default):
    rules = [*rules, *[DEFAULT] * with_default]
    shuffled = random.sample(rules, len(rules))
    decision = RuleSet.compile(rules).decide(address)
    assert decision.rule == decide_slowly(rules, address)
    assert RuleSet.compile(shuffled).decide(address) == decision
    assert RuleSet.compile(shuffled).rules == RuleSet.compile(rules).rules


@pytest.mark.slow
@given(RULE_LISTS, ADDRESSES)
def test_letter_case_and_idn_form_never_matter(rules, address):
    rule_set = RuleSet.compile(rules)
    decision = rule_set.decide(address)
    unicode_form = f"{address.local}@{display_domain(address.ascii_domain)}"
    for form in (address.canonical.upper(), unicode_form, unicode_form.upper()):
        assert rule_set.decide(EmailAddress.parse(form)) == decision


@pytest.mark.slow
@given(RULE_LISTS, ADDRESSES)
def test_the_explanation_agrees_with_the_decision(rules, address):
    explanation = RuleSet.compile(rules).explain(address)
    won = [tried.name for tried in explanation.tried if tried.won]
    assert won == ([explanation.decision.rule.name] if explanation.decision.rule else [])
    first = next((tried.name for tried in explanation.tried if tried.matched), None)
    assert won == ([first] if first else [])


def test_two_rules_for_the_same_are_a_conflict():
    first, second = agents("domain", "a.example"), agents("domain", "a.example", "other.example")
    with pytest.raises(ConflictingRules, match=r"domain:a\.example") as conflict:
        RuleSet.compile([first, DEFAULT, second])
    assert (conflict.value.first, conflict.value.second) == (first, second)


def test_a_domain_and_a_suffix_of_the_same_name_are_no_conflict():
    assert len(RuleSet.compile([agents("domain", "a.example"), agents("suffix", "a.example")])) == 2


def test_a_rule_decides_only_while_it_is_valid():
    rule = agents("domain", "a.example", valid_from=NOON, valid_until=NOON + HOUR)
    address = EmailAddress.parse("x@a.example")

    def at(moment):
        rules = RuleSet.compile([rule, DEFAULT], at=moment)
        return rules.decide(address).reason, len(rules), rules.changes_at

    assert at(NOON - HOUR) == (DecisionReason.INVITE_REQUIRED, 1, NOON)
    assert at(NOON) == (DecisionReason.OPEN, 2, NOON + HOUR)
    assert at(NOON + HOUR) == (DecisionReason.INVITE_REQUIRED, 1, None)
    assert at(None) == (DecisionReason.OPEN, 2, None)


@pytest.mark.parametrize("turned", [False, True])
def test_one_rule_may_follow_another_on_the_same_domain(turned):
    rules = [
        agents("domain", "a.example", "old.example", valid_until=NOON),
        agents("domain", "a.example", "new.example", valid_from=NOON),
    ]
    address = EmailAddress.parse("x@a.example")
    for moment, homeserver in [(NOON - HOUR, "old.example"), (NOON, "new.example")]:
        rule_set = RuleSet.compile(rules[::-1] if turned else rules, at=moment)
        assert rule_set.decide(address).homeserver == homeserver
    with pytest.raises(ConflictingRules):
        RuleSet.compile(rules)


def test_rules_that_will_clash_are_a_conflict_today():
    later = agents("domain", "a.example", "other.example", valid_from=NOON + HOUR)
    with pytest.raises(ConflictingRules):
        RuleSet.compile([agents("domain", "a.example"), later], at=NOON)


@pytest.mark.parametrize(
    "shape",
    [
        lambda: agents("domain", "a.example", None),
        lambda: agents("domain", "a.example", sibling_of="b.example"),
        lambda: agents(
            "domain", "a.example", None, sibling_of="b.example", protected_homeserver="c.example"
        ),
        lambda: agents("domain", ""),
        lambda: agents("default", "a.example"),
        lambda: agents("default", "", None, sibling_of="b.example"),
        lambda: agents("domain", "a.example", valid_from=NOON, valid_until=NOON),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(shape):
    with pytest.raises(InvalidRule):
        shape()


def test_former_homeservers_count_until_the_move_is_over():
    rule = agents("domain", "a.example", moved_from=("old.example",), moving_until=NOON)
    assert rule.former_homeservers(NOON - HOUR) == ("old.example",)
    assert rule.former_homeservers(NOON) == ()


@pytest.mark.slow
def test_the_rules_looked_up_for_an_address_do_not_grow_with_the_federation():
    rule_set = RuleSet.compile([agents("suffix", f"d{number}.example") for number in range(33_000)])
    explained = rule_set.explain(EmailAddress.parse("a@b.c.d32999.example"))
    assert explained.decision.rule.name == "suffix:d32999.example"
    assert len(explained.tried) == 7  # the address, the domain, four suffixes, the default


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_of_three_dated_rules_any_two_that_overlap_are_a_conflict(order):
    """The second and the third share an hour; the first meets neither."""
    rules = [
        agents("domain", "a.example", "one.example", valid_until=NOON),
        agents("domain", "a.example", "two.example", valid_from=NOON, valid_until=NOON + 3 * HOUR),
        agents("domain", "a.example", "three.example", valid_from=NOON + 2 * HOUR),
    ]
    with pytest.raises(ConflictingRules):
        RuleSet.compile([rules[place] for place in order], at=NOON)
