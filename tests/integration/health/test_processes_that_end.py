"""Real processes report themselves; one that is killed or stands still is named within a minute."""

import json
import signal
import time

import pytest
import requests

from tests.services.waiting import wait_for

pytestmark = pytest.mark.faults
MEANWHILE = "readyz: worker, scheduler"


def readiness(web) -> dict:
    return requests.get(f"{web.url}/readyz", timeout=30).json()


def test_who_is_killed_and_who_stands_still_is_named_until_they_are_back(
    federation, guichet_processes, record_fault
):
    web = guichet_processes.web(federation)
    worker = guichet_processes.worker(federation)
    beat = guichet_processes.beat(federation)
    wait_for(lambda: readiness(web)["status"] == "ready", what="all are there", pause=0.2)
    listed = json.loads(guichet_processes.guichet("node", "list", "--json", env=federation))
    assert {each["kind"] for each in listed} == {"web", "worker", "scheduler"}
    assert len({json.dumps(each["keys"]["link"]) for each in listed}) == 1

    worker.process.kill()
    beat.process.send_signal(signal.SIGSTOP)
    began_at = time.monotonic()
    missing = ["worker", "scheduler"]
    wait_for(lambda: readiness(web)["degraded"] == missing, what="both are named", pause=0.2)
    named_after = time.monotonic() - began_at
    assert "start celery -A workers worker" in guichet_processes.guichet(
        "node", "list", env=federation
    )

    beat.process.send_signal(signal.SIGCONT)
    began_at = time.monotonic()
    guichet_processes.worker(federation)
    wait_for(lambda: readiness(web)["status"] == "ready", what="both are back", pause=0.2)
    told = f"{MEANWHILE} after {named_after:.0f} s"
    record_fault(
        "processes: worker killed, scheduler stopped",
        tried=2,
        survived=2,
        seconds=time.monotonic() - began_at,
        said=told,
    )

    assert web.stop() == 0
    kinds = {
        each["kind"]
        for each in json.loads(guichet_processes.guichet("node", "list", "--json", env=federation))
    }
    assert "web" not in kinds
