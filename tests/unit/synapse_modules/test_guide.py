"""The operator's guide says what the module takes, and what it shows."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from domain_rules.rooms.events import JUDGES, NEVER_REDACTED, PROTECTED_EVENTS
from domain_rules.rooms.power import EVENTS_OUT_OF_REACH
from domain_rules.synapse_modules import (
    configuration,
    guards,
    inbound,
    refusals,
    room_access,
    sync as feeds,
)
from domain_rules.synapse_modules.configuration import Config, Parts
from tests.services import guide

GUIDE = (Path(__file__).parents[3] / "docs/synapse.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]


@pytest.mark.parametrize("key", configuration.KEYS)
def test_every_key_is_explained(key):
    assert re.search(rf"^\|[^|]*`{key}`", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("part", [field.name for field in fields(Parts)])
def test_every_part_is_explained(part):
    assert re.search(rf"^- `{part}`: ", GUIDE, re.MULTILINE)


def test_every_metric_is_explained():
    counted = (
        refusals.refusal_counter,
        refusals.exemption_counter,
        guards.failures,
        inbound.inbound_events,
    )
    counters = [f"{each._name}_total" for each in counted]
    gauges = [each._name for each in (feeds.age, feeds.too_old, feeds.skipped_rules)]
    table = GUIDE.partition("**Metrics**")[2].partition("**Logs.**")[0]
    explained = re.findall(r"^\| `(guichet_\w+)", table, re.MULTILINE)
    assert set(explained) == {*counters, *gauges}


def test_every_event_type_that_a_rule_stands_on_is_explained():
    """No cell of the table is left open, and its column of redactions says which of three it is."""
    table = guide.event_types()
    assert set(table) >= {
        *JUDGES,
        *PROTECTED_EVENTS,
        *NEVER_REDACTED,
        *EVENTS_OUT_OF_REACH,
        room_access.REDACTION,
    }
    assert all(told for row in table.values() for told in row.values())
    redactions = {row["By redaction"].split()[0].strip(",;") for row in table.values()}
    assert redactions == {"refused", "judged", "allowed", "no"}


def test_the_block_of_the_guide_is_taken(tmp_path):
    [module] = BLOCKS[0]["modules"]
    assert module["module"] == "domain_rules.synapse_modules.Guichet"
    credential = tmp_path / "credential"
    credential.write_text("of a homeserver")
    taken = Config.parse(module["config"] | {"credential_file": str(credential)})
    assert taken.mode == "log"
