"""Which signs an agents' domain takes before the @: the basic ones, and more where its rule says so."""

import pytest

from domain_rules.address_faults import AddressFault as Fault, InvalidAddress
from domain_rules.addresses import EmailAddress
from domain_rules.csv_rules import read_csv, write_csv
from domain_rules.reading import read_federation
from domain_rules.rule import AccountClass, InvalidRule, Rule, RuleKind
from domain_rules.rules import DecisionReason, RuleSet

AGENT, GUEST = AccountClass.AGENT, AccountClass.GUEST


def agents(pattern, extra_signs="", kind=RuleKind.DOMAIN):
    return Rule(kind, pattern, AGENT, "e.example", requires_invite=False, extra_signs=extra_signs)


DEFAULT = Rule(RuleKind.DEFAULT, "", GUEST, "g.example", requires_invite=True)
RULES = RuleSet.compile(
    [
        agents("plain.example"),
        agents("wide.example", "=&"),
        agents("a=b@named.example", kind=RuleKind.ADDRESS),
        agents("named.example"),
        Rule(
            *(RuleKind.DOMAIN, "old.example", AGENT, None),
            requires_invite=False,
            sibling_of="plain.example",
        ),
        DEFAULT,
    ]
)


@pytest.mark.parametrize(
    ("text", "account_class"),
    [
        ("o'neil_a.b-c+d@plain.example", AGENT),
        ("r&d@wide.example", AGENT),
        ("a=b@named.example", AGENT),
        ("r&d@old.example", GUEST),
        ("a~b#c/d@asso.example", GUEST),
        ("hélène@asso.example", GUEST),
    ],
)
def test_what_the_rule_takes_is_read(text, account_class):
    assert RULES.decide(RULES.read(text, smtputf8=True)).account_class is account_class


@pytest.mark.parametrize(
    "text",
    [
        *("r&d@plain.example", "a#b@wide.example", "a=c@named.example"),
        *("hélène@plain.example", "hélène@wide.example", "элиз@plain.example"),
    ],
)
def test_what_the_rule_does_not_take_is_nobodys(text):
    with pytest.raises(InvalidAddress) as refused:
        RULES.read(text, smtputf8=True)
    assert refused.value.reason is Fault.NOT_AT_THIS_DOMAIN
    decision = RULES.decide(EmailAddress.parse(text, smtputf8=True))
    assert decision.is_nobodys
    assert (decision.reason, decision.homeserver, decision.account_class) == (
        *(DecisionReason.LOCAL_PART, None, None),
    )


@pytest.mark.parametrize(
    "stored",
    [
        *("a%evil.com@plain.example", "evil.com!a@wide.example", "-a@plain.example"),
        *("srs0=a@wide.example", "=?x?q?y?=@plain.example", "a..b@plain.example", "@plain.example"),
        *("a%b@asso.example", "ﬁona@plain.example"),
    ],
)
def test_a_row_of_before_that_would_be_refused_now_is_nobodys_and_no_agents(stored):
    address = EmailAddress.stored(stored)
    assert address.refusal
    assert RULES.decide(address).is_nobodys
    assert RULES.decide(address).account_class is None
    assert RULES.explain(address).decision.reason is DecisionReason.LOCAL_PART


@pytest.mark.parametrize("signs", ["%", "=%", "&=", "==", "?", " "])
def test_a_rule_opens_only_these_signs(signs):
    with pytest.raises(InvalidRule):
        agents("wide.example", signs)


@pytest.mark.parametrize("signs", ["", "=", "=&#~/", "#"])
def test_signs_survive_our_csv(signs):
    rules = [agents("wide.example", signs), agents("=cmd@b.example", kind=RuleKind.ADDRESS)]
    written = write_csv(rules)
    assert "\r\naddress,'=cmd@" in written
    read = read_csv(written, known_homeservers={"e.example": False})
    assert read.faults == ()
    assert set(read.rules) == set(rules)


def test_a_federation_file_opens_signs_and_is_told_of_others():
    servers = [{"name": "e.example", "url": "https://e.example"}]
    rule = {"domain": "wide.example", "homeserver": "e.example"}
    read = read_federation({"homeservers": servers, "rules": [rule | {"extra_signs": "& ="}]})
    assert [each.extra_signs for each in read.rules] == ["=&"]
    wrong = read_federation({"homeservers": servers, "rules": [rule | {"extra_signs": "=%"}]})
    assert wrong.rules == ()
    assert "extra_signs must be some of" in wrong.faults[0].reason


def test_an_agents_rule_for_an_accented_address_is_a_fault():
    servers = [{"name": "e.example", "url": "https://e.example"}]
    rule = {"address": "hélène@a.example", "homeserver": "e.example", "class": "agent"}
    read = read_federation({"homeservers": servers, "rules": [rule]})
    assert "unaccented" in read.faults[0].reason
