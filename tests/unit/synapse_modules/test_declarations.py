"""A module says what it can do and what it does not understand, and goes by the rest."""

from urllib.parse import parse_qs

from prometheus_client import REGISTRY

from domain_rules.synapse_modules.configuration import Parts
from domain_rules.synapse_modules.reports import ReportKind
from tests.worlds.module_synapse import AGENTS, DEFAULT_RULE, OPEN_RULE, OTHER, process

ODA = f"@oda:{OTHER}"


def test_who_asks_for_the_rules_says_what_the_module_can_do():
    there = process(AGENTS)
    declared = parse_qs(there.told.declared)
    assert declared["version"] == ["2"]
    assert set(declared["reports"][0].split(",")) == {kind.value for kind in ReportKind}
    assert {"invite", "revoke", "room"} <= set(declared["actions"][0].split(","))
    silent = process(AGENTS, parts=Parts(binder=False, desk=False))
    assert parse_qs(silent.told.declared) == {"version": ["2"], "skipped": ["0"]}


def test_what_a_newer_guichet_says_and_this_module_cannot_read_is_said_and_the_rest_decides(caplog):
    there = process(AGENTS)
    there.told.publish(OPEN_RULE, {"kind": "tribe", "pattern": "asso.example"}, DEFAULT_RULE)
    there.poll()
    assert there.cache.snapshot.revision == 2
    assert there.cache.decide("ana@interieur.example").account_class.value == "agent"
    (line,) = [line for line in caplog.messages if "not understood by this module" in line]
    assert "tribe:asso.example" in line
    assert REGISTRY.get_sample_value("guichet_rules_skipped") == 1
    there.poll()
    assert "&skipped=1" in there.told.declared
    there.told.publish(OPEN_RULE, DEFAULT_RULE)
    there.poll()
    assert REGISTRY.get_sample_value("guichet_rules_skipped") == 0


def test_who_is_told_of_in_a_way_that_is_to_come_is_no_agent_and_the_others_are():
    there = process(AGENTS)
    there.told.agents, there.told.number = [ODA, {"user_id": f"@new:{OTHER}"}, None], 2
    there.poll()
    assert there.is_agent(ODA)
    assert not there.is_agent(f"@new:{OTHER}")
