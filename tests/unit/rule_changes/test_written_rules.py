"""Rules written as YAML and CSV, and read again: the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, strategies as st

from domain_rules.csv_rules import is_rules_csv, read_csv, write_csv
from domain_rules.reading import read_federation
from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.writing import write_yaml
from identity.rule_changes.yaml_lines import load_yaml

A_DAY = datetime(2027, 1, 31, 8, 0, 0, 123, tzinfo=UTC)
KNOWN = {"a.example": False, "public.example:8448": False, "guests.example": True}
GUEST, AGENT = AccountClass.GUEST, AccountClass.AGENT
RULES = (
    Rule(RuleKind.DEFAULT, "", GUEST, "guests.example", requires_invite=True),
    Rule(
        RuleKind.SUFFIX,
        "interieur.example",
        AGENT,
        "public.example:8448",
        protected_homeserver="a.example",
        requires_invite=False,
        organisation='Intérieur; «DGPN», "Nord"',
        moved_from=("old.example", "older.example"),
        moving_until=A_DAY,
        note="first line\nsecond: line #1\r\n\U0001f600 \x85 end",
        valid_from=A_DAY - timedelta(days=3),
        valid_until=A_DAY + timedelta(days=3),
    ),
    Rule(
        RuleKind.DOMAIN,
        "xn--acadmie-eya.example",
        AGENT,
        None,
        requires_invite=False,
        sibling_of="b.example",
    ),
    Rule(
        RuleKind.DOMAIN, "0.example", AGENT, "a.example", requires_invite=True, organisation="true"
    ),
    Rule(RuleKind.DOMAIN, "b.example", GUEST, "a.example", requires_invite=False, note="=SUM(1)"),
    Rule(RuleKind.ADDRESS, "o'neil+x@b.example", AGENT, "guests.example", requires_invite=False),
)


def from_yaml(text: str):
    return read_federation(*load_yaml(text), known_homeservers=KNOWN)


def from_csv(text: str):
    return read_csv(text, known_homeservers=KNOWN)


@pytest.mark.parametrize(("write", "read"), [(write_yaml, from_yaml), (write_csv, from_csv)])
def test_what_is_written_is_read_again_the_same(write, read):
    reading = read(write(RULES))
    assert not reading.faults
    assert set(reading.rules) == set(RULES)


@pytest.mark.parametrize("write", [write_yaml, write_csv])
def test_the_order_of_rules_changes_nothing_in_the_file(write):
    assert write(RULES) == write(reversed(RULES))


@pytest.mark.parametrize(("write", "read"), [(write_yaml, from_yaml), (write_csv, from_csv)])
def test_no_rules_are_written_and_read_too(write, read):
    assert read(write(())).rules == ()
    assert not read(write(())).faults


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
@example("0\r0")
@example('a;\r\n"b",\n\u2028c')
def test_any_text_survives_both(text):
    rule = Rule(
        RuleKind.DOMAIN, "b.example", AGENT, "a.example", requires_invite=False, note=text.strip()
    )
    assert from_yaml(write_yaml([rule])).rules == (rule,)
    assert from_csv(write_csv([rule])).rules == (rule,)


def test_semicolons_few_columns_and_french_words_will_do():
    text = "Kind;pattern;homeserver;requires_invite\r\ndomain;@Ac-Rouen.example;a.example;oui\r\n\r\n;;;\r\n"
    (rule,) = from_csv(text).rules
    assert (rule.pattern, rule.requires_invite) == ("ac-rouen.example", True)


def test_rules_on_a_homeserver_for_guests_are_for_guests():
    (rule,) = from_csv("kind,pattern,homeserver\ndomain,b.example,guests.example\n").rules
    assert (rule.account_class, rule.requires_invite) == (GUEST, True)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("kind,pattern,colour\ndomain,b.example,red\n", 1, "unknown column"),
        ("kind,homeserver\ndomain,a.example\n", 1, "kind and pattern"),
        ("kind,pattern,kind\n", 1, "no column twice"),
        ("kind,pattern,homeserver\n\ndomain,b.example,a.example,x\n", 3, "4 fields"),
        ("kind,pattern,homeserver\nregex,b.example,a.example\n", 2, "exactly one of"),
        ("kind,pattern,homeserver\ndomain,no domain,a.example\n", 2, "space"),
        ("kind,pattern,homeserver\ndomain,b.example,nowhere\n", 2, "no homeserver"),
        (
            "kind,pattern,homeserver,requires_invite\ndomain,b.example,a.example,perhaps\n",
            2,
            "true or",
        ),
        (
            'kind,pattern,homeserver,note\ndomain,b.example,a.example,"x\ny"\ndomain,no,a.example,\n',
            4,
            "dot",
        ),
        ('kind,pattern\ndomain,"b.example\n', 2, "not CSV"),
        (f"kind,pattern\ndomain,{'x' * 200_000}\n", 2, "not CSV"),
    ],
)
def test_a_row_that_cannot_be_is_a_fault_with_its_line(text, line, said):
    reading = from_csv(text)
    assert not [rule for rule in reading.rules if rule.pattern != "b.example"]
    assert [fault.line for fault in reading.faults] == [line]
    assert said in reading.faults[0].reason


def test_a_list_of_domains_is_no_csv_of_ours():
    assert is_rules_csv("\ufeffkind;pattern;note\n")
    assert not is_rules_csv("ac-rouen.example\nac-lille.example\n")
