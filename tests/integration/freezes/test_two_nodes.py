"""A freeze that is put on one node holds on every other, and what an operator did is in the journal."""

import re
import time
from dataclasses import replace

import pytest

from identity.accounts import operator_changes as session_changes
from identity.app import create_app
from identity.core import journal
from identity.core.journal import Actor
from identity.freezes import service as freezes
from identity.freezes.in_force import FreezesInForce
from identity.freezes.models import Frozen
from identity.mail import models as mails, operator_changes as mail_changes, suppressions
from identity.mail.suppressions import SuppressionReason
from identity.threepids import account_models as identity_accounts
from tests.services.waiting import wait_for
from tests.worlds.pages import *

OLGA = Actor("Olga", "here", "an incident")
HANG = 60.0  # seconds


@pytest.mark.faults
def test_another_node_refuses_at_once_and_says_so_within_two_seconds(site_on_either, record_fault):
    site = site_on_either
    cached = FreezesInForce(
        site.services.database, site.clock
    )  # looks once a second, as in production
    other = create_app(replace(site.services, freezes=cached)).test_client()
    form = other.get("/start")
    token = re.search(r'name="csrf_token" value="([^"]+)"', form.text)[1]
    with site.services.database.transaction() as session:
        freezes.freeze(session, site.clock(), OLGA, Frozen.SIGN_UPS)
    began = time.monotonic()
    fields = {"csrf_token": token, "email": "camille.durand@ac-rouen.example"}
    assert other.post("/start", data=fields).status_code == 503
    wait_for(lambda: other.get("/start").status_code == 503, what="the form says so as well")
    seconds = time.monotonic() - began
    record_fault("freeze: on another node", tried=2, survived=2, seconds=seconds, said="503")
    assert seconds < HANG


def test_what_operators_do_to_mails_and_sessions_is_journaled_without_addresses(site, ana):
    ana.start()
    services, now = site.services, site.clock()
    address = site.newest().address
    with services.database.transaction() as session:
        known = services.hashes.hash_of_address(session, address)
        suppressions.add(session, now, known, SuppressionReason.NO_MAILBOX, until=None)
        [mail] = mails.find_recent(session)
        assert mail_changes.retry(session, now, OLGA, mail)
        assert mail_changes.allow(session, now, OLGA, services.hashes, address)
        assert not mail_changes.allow(session, now, OLGA, services.hashes, address)
        ana = "@ana:education.example"
        identity_accounts.issue(session, now, user_id=ana)
        for expected in (False, True):
            ended = session_changes.end_sessions(session, now, OLGA, ana, hashes=services.hashes)
            assert ended.is_nothing is expected
        rows = journal.find_recent(session)
    assert [row.action for row in rows] == ["session.end", "mail.allow", "mail.retry"]
    told = " ".join(f"{row.subject} {row.facts}" for row in rows)
    assert address not in told
    assert ana not in told
