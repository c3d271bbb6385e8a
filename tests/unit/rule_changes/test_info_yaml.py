"""An info.yaml becomes rules, with a fault for whatever does not."""

import pytest

from domain_rules.info_yaml.reading import read_info_yaml
from domain_rules.rule import AccountClass
from tests.worlds.old_files import KNOWN, WITHOUT_INVITE, A, E, P, names, read


def test_entries_and_patterns_become_typed_rules():
    reading = read(
        (r".*@allowed\.server", A),
        (r".*@(.*\.|)vip\.fake\.server", A),
        (r".*@(.*\.|)internal\.fake\.server", P),
        (".*", E),
        entries={"john.doe@fake.server": WITHOUT_INVITE},
    )
    assert not reading.faults
    assert names(reading) == [
        "address:john.doe@fake.server",
        "domain:allowed.server",
        "suffix:vip.fake.server",
        "suffix:internal.fake.server",
        "default",
    ]
    assert reading.lines[1:] == (101, 102, 103, 104)


def test_the_shadow_server_is_the_public_one():
    (rule,) = read((r".*@d\.fr", P)).rules
    assert rule.homeserver == "public.p.fake.server"
    assert rule.protected_homeserver == "p.fake.server"


@pytest.mark.parametrize(
    ("pattern", "answer", "account_class", "requires_invite"),
    [
        (r".*@d\.fr", A, AccountClass.AGENT, False),
        (r".*@d\.fr", {"hs": "a.fake.server", "requires_invite": True}, AccountClass.GUEST, True),
        (r".*@d\.fr", {"hs": "a.fake.server"}, AccountClass.AGENT, False),
        (r".*@d\.fr", WITHOUT_INVITE, AccountClass.GUEST, False),  # a homeserver for guests
        (".*", E, AccountClass.GUEST, True),
        (".*", A, AccountClass.GUEST, False),
    ],
)
def test_the_class_follows_from_the_invitation(pattern, answer, account_class, requires_invite):
    (rule,) = read((pattern, answer)).rules
    assert (rule.account_class, rule.requires_invite) == (account_class, requires_invite)


def test_what_is_not_recognised_is_a_fault_with_its_line_and_the_rest_is_taken():
    reading = read((r".*@a\.fr", A), (r"[a-z]+@b\.fr", A), (r".*@c\.fr", A))
    assert names(reading) == ["domain:a.fr", "domain:c.fr"]
    (fault,) = reading.faults
    assert (fault.line, fault.text) == (102, r"[a-z]+@b\.fr")
    assert fault.reason.startswith("not understood")


def test_a_homeserver_that_is_not_registered_is_one_fault_however_many_need_it():
    lost = {"hs": "b.fake.server"}
    reading = read((r".*@a\.fr", lost), (r".*@b\.fr", lost), (r".*@c\.fr", A))
    assert names(reading) == ["domain:c.fr"]
    (fault,) = reading.faults
    assert (fault.line, fault.text) == (101, "b.fake.server")
    assert "2 lines are not taken" in fault.reason
    assert "a.fake.server" in fault.reason


def test_a_domain_that_makes_no_agent_is_refused_to_agents_only():
    def barred(domain):
        return "free mail" if domain == "free.fr" else None

    reading = read((r".*@free\.fr", A), never_agent=barred)
    assert [(fault.line, fault.reason) for fault in reading.faults] == [(101, "free mail")]
    assert names(read((r".*@free\.fr", E), never_agent=barred)) == ["domain:free.fr"]


def test_of_two_rules_for_the_same_the_first_is_kept():
    reading = read((r".*@a\.fr", E), (r".*@a\.fr", A), (r".*@a\.fr", E))
    (rule,) = reading.rules
    assert rule.homeserver == "e.fake.server"
    assert [(each.line, each.first_line) for each in reading.duplicates] == [(103, 101)]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"medium": None}, "there must be medium"),
        ({"medium": {"email": []}}, "there must be medium"),
        ({"medium": {"email": {"patterns": {".*": A}}}}, "patterns must be a list"),
        ({"medium": {"email": {"patterns": [".*"]}}}, "a pattern is written"),
        ({"medium": {"email": {"patterns": [{".*": None}]}}}, "nothing stands behind it"),
        ({"medium": {"email": {"patterns": [{".*": {}}]}}}, "hs, its homeserver, is missing"),
        ({"medium": {"email": {"patterns": [{".*": {**A, "x": 1}}]}}}, "unknown key"),
        ({"medium": {"email": {"patterns": [{1: A}]}}}, "must be a text"),
        ({"medium": {"email": {"entries": ["a@b.fr"]}}}, "entries must be a mapping"),
        ({"medium": {"email": {"entries": {"nobody": A}}}}, "The @ is missing"),
    ],
)
def test_what_is_no_info_yaml_is_a_fault(document, said):
    reading = read_info_yaml(document, known_homeservers=KNOWN)
    assert not reading.rules
    assert said in reading.faults[0].reason


def test_no_entries_may_be_written_in_three_ways():
    for nothing in (None, [], {}):
        assert not read((".*", E), entries=nothing).faults
