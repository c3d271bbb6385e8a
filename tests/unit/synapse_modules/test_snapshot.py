"""What Guichet tells is read strictly, and addresses a homeserver keeps are read fast and no differently."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from domain_rules.addresses import EmailAddress
from domain_rules.synapse_modules.snapshot import PLAIN_ADDRESS, read_address, read_snapshot
from domain_rules.wire_format import UnreadableRules
from tests.services.told_guichet import told_rule
from tests.worlds.module_synapse import AGENTS, GUESTS, OPEN_RULE, Told

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def told(**facts):
    return Told(AGENTS)._rules() | facts


@pytest.mark.parametrize(
    "facts",
    [
        {"epoch": None, "rules": None},
        {"revision": "newest"},
        {"rules": [{"kind": "suffix", "pattern": "interieur.example"}]},
        {"rules": [told_rule("tribe", "interieur.example", "agent", AGENTS)]},
        {"rules": [OPEN_RULE | {"valid_from": "yesterday"}]},
        {"rules": {"0": OPEN_RULE}},
        {"homeservers": []},
        {"homeservers": {AGENTS: {}}},
        {"homeserver": {}},
        {"identity_server": {"names": []}},
    ],
)
def test_what_guichet_never_sends_is_not_read(facts):
    with pytest.raises(UnreadableRules):
        read_snapshot(told(**facts), NOW)


def test_a_rule_without_a_homeserver_is_a_siblings_and_its_people_go_by_the_default():
    default = told_rule("default", "", "guest", GUESTS, requires_invite=True)
    sibling = told_rule("domain", "gouv.example", "agent", None, requires_invite=True)
    copy = read_snapshot(told(rules=[default, sibling]), NOW)
    decision = copy.decide("ana@gouv.example")
    assert (decision.account_class.value, decision.homeserver) == ("guest", GUESTS)
    assert not copy.is_address_of_agent("ana@gouv.example")


@pytest.mark.parametrize(
    ("address", "is_agents"),
    [
        ("ana@interieur.example", True),
        ("ana@sd.interieur.example", True),
        ("Ana@Interieur.Example", True),
        ("gil@asso.example", False),
        ("ana@interieur.example.asso.example", False),
        ("no address", False),
        ("", False),
    ],
)
def test_an_address_is_an_agents_by_the_rules(address, is_agents):
    assert read_snapshot(told(), NOW).is_address_of_agent(address) is is_agents


@pytest.mark.slow
@given(st.from_regex(PLAIN_ADDRESS, fullmatch=True))
def test_what_is_not_read_letter_by_letter_would_be_read_the_same(text):
    address = read_address(text)
    assert address is None or address == EmailAddress.stored(text)


def test_a_homeserver_of_a_kind_that_is_to_come_has_guests_only_and_the_others_are_read():
    of_old = told()["homeservers"]
    copy = read_snapshot(
        told(homeservers=of_old | {"new.example": {"class_source": "by_office"}}), NOW
    )
    assert copy.sources == read_snapshot(told(), NOW).sources
    assert copy.skipped == ("homeserver new.example: the class source 'by_office' is unknown here",)


def test_fields_that_are_to_come_are_ignored_wherever_they_stand():
    plain = told()
    newer = plain | {
        "version": 3,
        "mood": [1],
        "homeserver": plain["homeserver"] | {"colour": "blue"},
        "homeservers": {name: facts | {"since": 3} for name, facts in plain["homeservers"].items()},
        "identity_server": plain["identity_server"] | {"motto": {}},
    }
    assert read_snapshot(newer, NOW) == read_snapshot(plain, NOW)


@pytest.mark.parametrize(
    "address",
    [
        *("a%evil.com@interieur.example", "evil.com!a@interieur.example", "-a@interieur.example"),
        *("ﬁona@interieur.example", "srs0-a@interieur.example", "imceaex-a@interieur.example"),
        *("a..b@interieur.example", ".a@interieur.example", "élise@interieur.example"),
        "=?utf-8?q?a?=@interieur.example",
    ],
)
def test_an_address_that_is_written_onward_or_folds_to_another_is_no_agents(address):
    assert not read_snapshot(told(), NOW).is_address_of_agent(address)
