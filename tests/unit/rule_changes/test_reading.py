from datetime import UTC, date, datetime

import pytest
from hypothesis import given, strategies as st

from domain_rules.addresses import EmailAddress
from domain_rules.reading import read_federation, read_plain_list
from domain_rules.rule import AccountClass, RuleKind
from domain_rules.rules import RuleSet
from domain_rules.user_ids import Scheme
from identity.rule_changes import files
from tests.worlds.services import EDUCATION, agent

DIRTY = """\
# Domains as their publisher lists them
2c2r.fr
declarations.ars.sante.fr\u00a0
declarations.ars.sante.fr
diffusion.social.gouv.fr.
météo.fr

xn--mto-bmab.fr
@Mairie-Lucé.FR
*.gouv.fr
https://ville.fr/
contact@ville.fr
ville.fr, autre.fr
ville..fr
ville_basse.fr
localhost
10.0.0.1
free.example
\tville.fr
"""


def free_mail(domain):
    return "free mail" if domain == "free.example" else None


def read_dirty(**facts):
    lines = DIRTY.splitlines(keepends=True)
    return read_plain_list(lines, homeserver="agents.example", never_agent=free_mail, **facts)


def test_a_plain_list_gives_a_rule_for_each_domain():
    reading = read_dirty(organisation="État")
    assert [(rule.name, line) for rule, line in zip(reading.rules, reading.lines, strict=True)] == [
        ("domain:2c2r.fr", 2),
        ("domain:declarations.ars.sante.fr", 3),
        ("domain:xn--mto-bmab.fr", 6),
        ("domain:xn--mairie-luc-k7a.fr", 9),
    ]
    assert {(rule.homeserver, rule.organisation) for rule in reading.rules} == {
        ("agents.example", "État")
    }
    assert not any(rule.requires_invite for rule in reading.rules)


def test_every_refused_line_is_named_with_its_reason():
    assert [(fault.line, fault.text, fault.reason) for fault in read_dirty().faults] == [
        (5, "diffusion.social.gouv.fr.", "The domain ends with a dot."),
        (10, "*.gouv.fr", "Write gouv.fr and import it as a suffix: there are no patterns."),
        (11, "https://ville.fr/", "This is a web address; the domain alone is wanted."),
        (12, "contact@ville.fr", "This is an address; the list takes domains only."),
        (13, "ville.fr, autre.fr", "It contains a space."),
        (14, "ville..fr", "The domain begins with a dot or has two dots in a row."),
        (15, "ville_basse.fr", "This is not a domain name."),
        (16, "localhost", "The domain has no dot."),
        (17, "10.0.0.1", "After the @ stands an IP address, not a domain."),
        (18, "free.example", "free mail"),
        (19, "\\tville.fr", "It contains an invisible control character."),
    ]


def test_the_unicode_and_the_xn_form_are_one_rule():
    found = [(double.line, double.first_line) for double in read_dirty().duplicates]
    assert found == [(4, 3), (8, 6)]


def test_guests_may_come_from_free_mail_and_need_an_invitation():
    reading = read_dirty(account_class=AccountClass.GUEST, suffix=True)
    rules = {rule.name: rule for rule in reading.rules}
    assert rules["suffix:free.example"].requires_invite
    assert {rule.account_class for rule in reading.rules} == {AccountClass.GUEST}


def test_line_ends_of_every_system_and_a_byte_order_mark_do_no_harm():
    reading = read_plain_list(["\ufeffa.example\r\n", "\r\n", "b.example"], homeserver="hs.example")
    assert [rule.pattern for rule in reading.rules] == ["a.example", "b.example"]
    assert not reading.faults


def test_a_huge_line_is_a_short_fault():
    reading = read_plain_list(["x" * 1_000_000], homeserver="hs.example")
    assert len(reading.faults[0].text) <= 81


@pytest.mark.slow
@given(st.lists(st.text()))
def test_every_line_of_any_list_is_accounted_for(lines):
    reading = read_plain_list(lines, homeserver="hs.example")
    told = [*reading.lines, *(each.line for each in (*reading.faults, *reading.duplicates))]
    assert len(told) == len(set(told))
    for number, line in enumerate(lines, start=1):
        says_nothing = not line.strip(" \t\r\n\ufeff") or line.lstrip(" \t\ufeff").startswith("#")
        assert (number in told) or says_nothing
    RuleSet.compile(reading.rules)


DOCUMENT = {
    "homeservers": [
        {"name": "agents.example", "url": "https://agents.example", "label": "Agents"},
        {
            "name": "guests.example",
            "url": "https://guests.example",
            "guests": True,
            "connector": "synapse",
            "user_id_scheme": "random",
        },
    ],
    "rules": [
        {"domain": "AC-Rouen.example", "homeserver": "agents.example", "organisation": "Rouen"},
        {"suffix": "lucé.example", "homeserver": "agents.example", "class": "agent"},
        {"address": "Chief@asso.example", "homeserver": "agents.example"},
        {"domain": "ac-normandie.example", "sibling_of": "ac-rouen.example"},
        {"domain": "asso.example", "homeserver": "guests.example", "valid_from": date(2027, 1, 1)},
        {"default": True, "homeserver": "guests.example"},
    ],
}


def test_a_federation_file_gives_its_homeservers_and_rules():
    reading = read_federation(DOCUMENT)
    assert not reading.faults
    assert [rule.name for rule in reading.rules] == [
        "domain:ac-rouen.example",
        "suffix:xn--luc-dma.example",
        "address:chief@asso.example",
        "domain:ac-normandie.example",
        "domain:asso.example",
        "default",
    ]
    agents, guests = reading.homeservers
    assert (agents.label, agents.guests, agents.connector) == ("Agents", False, "none")
    assert (guests.guests, guests.connector, guests.user_id_scheme) == (
        True,
        "synapse",
        Scheme.RANDOM,
    )
    decision = RuleSet.compile(reading.rules).decide(EmailAddress.parse("a@ac-rouen.example"))
    assert (decision.homeserver, decision.organisation) == ("agents.example", "Rouen")


@pytest.mark.parametrize("source", ["agent", "guest", "by_person", None])
def test_a_file_may_say_how_a_homeserver_classifies_its_people(source):
    homeserver = {"name": "mixed.example", "url": "https://mixed.example", "class_source": source}
    reading = read_federation({"homeservers": [homeserver], "rules": []})
    assert not reading.faults
    assert [each.class_source for each in reading.homeservers] == [source]
    [fault] = read_federation({"homeservers": [{**homeserver, "class_source": "some"}]}).faults
    assert "class_source" in fault.reason


def test_the_class_is_the_homeservers_and_guests_need_an_invitation():
    rules = {rule.name: rule for rule in read_federation(DOCUMENT).rules}
    assert rules["domain:ac-rouen.example"].account_class is AccountClass.AGENT
    assert not rules["domain:ac-rouen.example"].requires_invite
    for name in ("domain:asso.example", "default"):
        assert rules[name].account_class is AccountClass.GUEST
        assert rules[name].requires_invite


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (date(2027, 1, 1), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2027, 1, 1, 8), datetime(2027, 1, 1, 8, tzinfo=UTC)),  # noqa: DTZ001  as YAML gives it
        ("2027-01-01T08:00:00Z", datetime(2027, 1, 1, 8, tzinfo=UTC)),
        ("2027-01-01T08:00:00+01:00", datetime(2027, 1, 1, 7, tzinfo=UTC)),
    ],
)
def test_a_moment_without_a_zone_is_utc(written, read):
    rule = {"domain": "a.example", "homeserver": "hs.example", "valid_from": written}
    reading = read_federation({"rules": [rule]}, known_homeservers={"hs.example"})
    assert [rule.valid_from for rule in reading.rules] == [read]


def rule(**facts):
    return {"domain": "a.example", "homeserver": "agents.example"} | facts


def without(key):
    return {name: value for name, value in rule().items() if name != key}


@pytest.mark.parametrize(
    ("entry", "key", "words"),
    [
        (without("domain"), None, "exactly one of address, domain, suffix, default"),
        (rule(suffix="b.example"), None, "exactly one of"),
        (rule(homeserver="agent.example"), "homeserver", "close to it: agents.example"),
        (
            rule(protected_homeserver="nowhere"),
            "protected_homeserver",
            "no homeserver of this name",
        ),
        (rule(domain="a..example"), "domain", "two dots"),
        (rule(domain=12), "domain", "domain must be a text"),
        (rule(domain="free.example"), "domain", "free mail"),
        (without("domain") | {"suffix": "free.example"}, "suffix", "free mail"),
        (without("domain") | {"address": "a@b@c.example"}, "address", "more than one @"),
        (without("domain") | {"default": True, "class": "agent"}, "class", "for guests"),
        (without("domain") | {"default": False}, "default", "default: true"),
        (rule(sibling_of="b.example"), None, "one of the two"),
        (without("homeserver"), None, "one of the two"),
        (without("homeserver") | {"sibling_of": "a.example"}, "sibling_of", "own sibling"),
        (rule(**{"class": "boss"}), "class", "agent, guest"),
        (rule(requires_invite="no"), "requires_invite", "true or false"),
        (rule(valid_from="soon"), "valid_from", "a date or a time"),
        (rule(valid_from=date(2027, 1, 2), valid_until=date(2027, 1, 1)), None, "before it begins"),
        (rule(moved_from=[1]), "moved_from", "list of texts"),
        (rule(organization="x"), "organization", "unknown key"),
        ("a.example", None, "must be a mapping"),
    ],
)
def test_a_wrong_rule_is_named_with_its_line_and_reason(entry, key, words):
    document = DOCUMENT | {"rules": [entry]}
    lines = {("rules",): 8, ("rules", 0): 9, ("rules", 0, key): 11}
    reading = read_federation(document, lines, never_agent=free_mail)
    assert not reading.rules
    assert [fault.line for fault in reading.faults] == [11 if key else 9]
    assert words in reading.faults[0].reason


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"url": "https://a.example"}, "must be a server name"),
        ({"name": "a.example"}, "url is missing"),
        ({"name": "a.example", "url": "a.example"}, "must begin with https://"),
        ({"name": "a/b", "url": "https://a.example"}, "must be a server name"),
        ({"name": "a.example", "url": "https://a.example", "connector": "x"}, "none, synapse"),
        ({"name": "a.example", "url": "https://a.example", "token": "x"}, "unknown key"),
        ({"name": "agents.example", "url": "https://a.example"}, "stands on line 3"),
    ],
)
def test_a_wrong_homeserver_is_named_with_its_line_and_reason(entry, words):
    homeservers = [*DOCUMENT["homeservers"], entry]
    lines = {("homeservers", 0): 3, ("homeservers", 2): 20}
    reading = read_federation({"homeservers": homeservers}, lines)
    assert [fault.line for fault in reading.faults] == [20]
    assert words in reading.faults[0].reason
    assert len(reading.homeservers) == 2


def test_saying_the_same_twice_is_a_duplicate_and_otherwise_a_fault():
    document = DOCUMENT | {"rules": [rule(), rule(domain="A.example"), rule(organisation="Other")]}
    lines = {("rules", index): 10 + index for index in range(3)}
    reading = read_federation(document, lines)
    assert [rule.name for rule in reading.rules] == ["domain:a.example"]
    assert [(double.line, double.first_line) for double in reading.duplicates] == [(11, 10)]
    assert [(fault.line, fault.reason) for fault in reading.faults] == [
        (12, "line 10 has another rule for the same")
    ]


def test_one_rule_may_follow_another_in_time():
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    document = DOCUMENT | {"rules": [rule(valid_until=moment), rule(valid_from=moment)]}
    reading = read_federation(document)
    assert len(reading.rules) == 2
    assert not reading.faults


@pytest.mark.parametrize("document", [None, [], "text", 3, {"rules": {}}, {"homeservers": "x"}])
def test_what_is_no_federation_file_is_a_fault(document):
    reading = read_federation(document)
    assert reading.faults
    assert not reading.rules


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.dates() | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["rules", "homeservers", "domain", "default", "class", "name", "url", 3]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(PLAIN)
def test_any_document_is_read_without_an_exception(document):
    found = read_federation(document).rules
    assert len(RuleSet.compile(found, revision=1)) == len(found)


def test_a_kind_is_a_key_of_the_file():
    assert {kind.value for kind in RuleKind} == {"address", "domain", "suffix", "default"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("note", "a\0b", "must not contain the character 0"),
        ("moved_from", ["a\0b"], "must be a list of texts"),
        ("valid_from", "0001-01-01T00:00:00+14:00", "must be a date or a time"),
        ("valid_until", "9999-12-31T23:59:59-14:00", "must be a date or a time"),
    ],
)
def test_what_no_database_stores_is_refused_at_its_line(field, value, said):
    rule = {"domain": "a.example", "homeserver": "agents.example", field: value}
    reading = read_federation({"rules": [rule]}, {}, known_homeservers={"agents.example": False})
    assert reading.rules == ()
    assert [said in fault.reason for fault in reading.faults] == [True]


def test_rules_are_taken_away_only_if_every_line_of_the_file_was_read():
    whole = "kind,pattern,homeserver\ndomain,b.example,education.example\n"
    in_force = agent("a.example")
    here = files.Existing({EDUCATION: False}, {(in_force.kind, "a.example"): in_force})
    content = files.read("x.csv", whole, here, files.OfLists())
    assert files.lines_of(content, here, exactly=True)[1] == [(RuleKind.DOMAIN, "a.example")]
    partly = files.read("x.csv", f"{whole}domain,a.example,agents.exmple\n", here, files.OfLists())
    assert [fault.line for fault in partly.faults] == [3]
    assert files.lines_of(partly, here, exactly=True)[1] == []
