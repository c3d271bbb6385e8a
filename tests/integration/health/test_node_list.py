"""`guichet node list`, and what `guichet doctor` says of processes."""

from datetime import timedelta

import pytest

from identity.core import nodes
from identity.core.clock import utc_now
from identity.core.nodes import NodeKind, NodeReport
from tests.worlds.command_line import *

KEYS = {"link": ["aaaa", "bbbb"], "storage": ["cccc"]}
WEB = NodeReport("one:1:a", kind=NodeKind.WEB, host="one", version="0.1.0", keys=KEYS)
WORKER = NodeReport("two:1:b", host="two", version="0.1.0", keys=KEYS, lanes=["urgent", "bulk"])
SCHEDULER = NodeReport("two:2:c", kind=NodeKind.SCHEDULER, host="two", version="0.1.0", keys=KEYS)


@pytest.fixture
def beat(opened):
    """These processes reported themselves so long ago."""

    def beat(*reports: NodeReport, ago: timedelta = timedelta()) -> None:
        with opened.transaction() as session:
            for report in reports:
                nodes.record_heartbeat(session, utc_now() - ago, report)

    return beat


def test_each_process_is_listed_with_what_it_has(run, beat):
    beat(WEB, WORKER, SCHEDULER)
    found = {each["id"]: each for each in run.json("node", "list")}
    assert {each["state"] for each in found.values()} == {"running"}
    worker = found["two:1:b"]
    assert worker["kind"] == "worker"
    assert worker["host"] == "two"
    assert worker["lanes"] == ["urgent", "bulk"]
    assert worker["keys"] == KEYS
    assert run("node", "list").stdout.splitlines()[0].split("\t")[:3] == [
        "scheduler",
        "two",
        "running",
    ]
    assert "web\tone\tlink\taaaa bbbb" in run("node", "list", "--keys").stdout


def test_one_that_is_gone_is_shown_until_another_stands_in_its_place(run, beat):
    beat(WEB, ago=timedelta(minutes=2))
    assert [each["state"] for each in run.json("node", "list")] == ["gone"]
    beat(NodeReport("one:9:z", kind=NodeKind.WEB, host="one"))
    assert [each["id"] for each in run.json("node", "list")] == ["one:9:z"]
    beat(WORKER, ago=timedelta(hours=25))
    beat(SCHEDULER)  # which forgets what was not seen for a day
    assert {each["kind"] for each in run.json("node", "list")} == {"web", "scheduler"}


def test_a_worker_of_the_version_before_is_listed_too(run, beat):
    beat(NodeReport("three:7:d", key_ids=["k"]))
    [found] = run.json("node", "list")
    assert (found["kind"], found["host"], found["version"]) == ("worker", "three", "0.1.0")


def test_the_list_ends_with_what_is_wrong(run, beat):
    beat(WEB, WORKER, SCHEDULER)
    assert run("node", "list").stderr == ""
    beat(NodeReport("three:1:e", kind=NodeKind.WEB, host="three", keys={"link": ["zzzz"]}))
    told = run("node", "list").stderr
    assert "the link keys of the processes differ" in told
    assert "What mends it: " in told


def states(run) -> dict[str, str]:
    return {each["what"]: each["state"] for each in run.json("doctor")}


def test_doctor_names_what_is_missing_and_what_runs(run, beat):
    beat(WEB)
    assert states(run)["worker"] == states(run)["scheduler"] == "attention"
    beat(WORKER, SCHEDULER)
    found = next(each for each in run.json("doctor") if each["what"] == "processes")
    assert (found["state"], found["told"]) == ("ok", "1 scheduler, 1 web, 1 worker")


def test_doctor_and_commands_go_on_with_a_schema_of_a_later_version(run, opened):
    with opened.transaction() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    found = next(each for each in run.json("doctor") if each["what"] == "database")
    assert (found["state"], found["told"]) == ("ok", "schema 9999, of a later version")
    run("domain", "list")
