"""Somebody is erased while a worker does something for them: it comes to nothing, and leaves nothing."""

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.job_outcomes import GiveUp
from identity.core.journal import Actor
from identity.core.outbox import Lane
from identity.mail import models as mails
from identity.mail.jobs import sending as jobs
from identity.mail_kinds import kind_of
from identity.people import erasure
from tests.services.fake_homeserver import FakeHomeserver
from tests.worlds.account_attempts import *

OLGA = Actor("olga", "here", "she asked for it")
HERS = EmailAddress.parse("camille.durand@ac-rouen.example")


@pytest.fixture
def erase(services, tmp_path):
    def erase():
        with services.database.transaction() as session:
            now, log = services.now(), tmp_path / "erasures.jsonl"
            return erasure.erase(session, services.hashes, now, HERS, OLGA, log=log)

    return erase


class Interrupted(FakeHomeserver):
    """Something happens when it is called at this place."""

    def __init__(self):
        super().__init__()
        self.at, self.happens = "", None

    def _fail(self, place):
        if place == self.at:
            self.happens()


@pytest.fixture
def homeserver():
    return Interrupted()


@pytest.mark.parametrize("at", ["look", "create", "after register", "after complete"])
def test_an_account_that_is_being_made_is_not_recorded(
    worker_services, homeserver, confirm, ask, work, erase, caplog, at
):
    request = confirm()
    ask(request)
    homeserver.at, homeserver.happens = at, erase
    work()
    for lane in Lane:
        work(lane)
    assert "Traceback" not in caplog.text
    assert HERS.local not in everything(worker_services)
    homeserver.at = ""
    again = confirm()
    ask(again)
    work()
    assert str(stands(worker_services, again)) != "waiting"


def test_a_mail_that_is_being_written_brings_no_code_back(services, request_, erase):
    with services.database.reading() as session:
        [mail] = mails.find_by_address(session, HERS.canonical)
    assert erase()
    with pytest.raises(GiveUp, match="erased"):
        jobs.write_mail(services, mail, services.now(), kind_of(mail), attempt=1)
    assert HERS.local not in everything(services)


def test_a_mail_that_is_being_sent_leaves_no_trace(services, request_, erase, postbox, caplog):
    send = postbox.send

    def sends(*given, **facts):
        erase()
        return send(*given, **facts)

    postbox.send = sends
    tasks.run_lane(services, Lane.URGENT)
    assert len(postbox.sent) == 1
    assert "Traceback" not in caplog.text
    assert HERS.local not in everything(services)
