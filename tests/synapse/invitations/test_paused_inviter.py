"""On a real Synapse: who may not invite by mail reads why, in place of the 500 that Synapse makes of store-invite."""

from urllib.parse import quote

import pytest

from tests.worlds.asked_before_invited import *

pytestmark = pytest.mark.synapse


def test_an_agent_whose_invitations_are_paused_reads_why(ana, told_guichet, identity_server):
    room = f"/rooms/{quote(ana.create())}/invite"
    whom = {"medium": "email", "address": "new@agents.example"}
    whom |= {"id_server": identity_server.name, "id_access_token": "anything"}
    told_guichet.paused = {ana.user_id}
    refused = ana.ask("POST", room, **whom)
    assert refused.status_code == 403
    told = refused.json()
    assert (told["errcode"], told["org.guichet.reason"]) == ("M_FORBIDDEN", "invitations_paused")
    assert told["error"].startswith("Plusieurs personnes que vous avez invitées")
    assert set(told["org.guichet.message"]) == {"fr", "en"}
    assert identity_server.invited == []
    told_guichet.paused = set()
    assert ana.ask("POST", room, **whom).ok
