"""On a real Synapse: Guichet stands still while 40 invitations by mail are asked about, and Synapse goes on."""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from domain_rules.synapse_modules.turns import AT_ONCE
from tests.services.waiting import wait_for
from tests.worlds.asked_before_invited import *

pytestmark = pytest.mark.synapse

MANY = 40
LONG = 60.0  # seconds; a callback may take 15


@pytest.mark.faults
def test_40_invitations_at_once_wait_for_a_frozen_guichet_no_longer_than_one(
    ana, told_guichet, identity_server, record_fault
):
    """The identity server decides then, as always while Guichet does not answer."""
    room_id = ana.create()
    told_guichet.is_frozen = True

    def invite(number: int) -> bool:
        whom = {"medium": "email", "address": f"new{number}@agents.example"}
        whom |= {"id_server": identity_server.name, "id_access_token": "anything"}
        return ana.ask("POST", f"/rooms/{quote(room_id)}/invite", **whom).ok

    begun = time.monotonic()
    with ThreadPoolExecutor(MANY) as pool:
        asked = [pool.submit(invite, number) for number in range(MANY)]
        wait_for(lambda: told_guichet.held == AT_ONCE, what="the first questions are under way")
        ana.do(
            "PUT",
            f"/rooms/{quote(room_id)}/send/m.room.message/1",
            msgtype="m.text",
            body="Synapse goes on",
        )
        survived = sum(each.result(LONG) for each in asked)
    seconds = time.monotonic() - begun
    assert survived == MANY
    assert told_guichet.most_held == AT_ONCE
    wait_for(lambda: told_guichet.held == 0, what="no connection is left open")
    assert seconds < LONG
    record_fault(
        f"module: Guichet frozen, {MANY} invitations asked about in Synapse",
        tried=MANY,
        survived=survived,
        seconds=seconds,
        said="GuichetUnreachable in Synapse's log",
    )
