"""The drill: a dump is loaded after the work of hours went out, and nothing of it goes out once more."""

import time

import pytest

from tests.services.person import Person
from tests.services.waiting import wait_for
from tests.worlds.matrix import User
from tests.worlds.restored_federation import *

pytestmark = [pytest.mark.synapse, pytest.mark.processes]

ANA, CAMILLE, ZOE, PAUL = (f"{name}@{AGENTS}" for name in ("ana", "camille", "zoe", "paul"))
GIL, BEA, LEA, NINA, NEW = (f"{name}@{GUESTS}" for name in ("gil", "bea", "lea", "nina", "new"))


@pytest.mark.faults
def test_a_backup_is_loaded_and_nothing_is_repeated(restored, record_fault):
    there = People(restored)
    there.prepare()
    restored.worker.stop()
    there.let_work_wait()
    restored.dump()
    dumped_at = restored.ticks()

    restored.start_worker()
    there.let_work_go_out()
    lost = there.invite_one_more()
    restored.wait_until_done()
    wait_for(lambda: restored.ticks() >= dumped_at + 2, what="two heartbeats are seen", pause=0.2)
    sent, told = restored.mails(), restored.onbinds()
    assert set(sent.values()) == {1}
    assert told == 2

    # The worker runs on, and notices by itself.
    restored.load()
    began = time.monotonic()
    wait_for(restored.is_held, what="the hold is seen", pause=0.2)
    noticed = time.monotonic() - began
    there.olga_brings_it_back()
    there.nothing_was_repeated(sent, told)
    wait_for(lambda: lost not in tokens(there.ana, there.room), what="what was lost is gone")
    listed = restored.guichet("restore", "lost")
    assert [each["sender"] for each in listed] == [there.ana.user_id]
    assert restored.state_of_account(CAMILLE) == "ready"

    # Once more, with the worker stopped: it knows from its file.
    restored.worker.stop()
    restored.load()
    restored.start_worker()
    wait_for(restored.is_held, what="the hold is seen", pause=0.2)
    there.olga_brings_it_back()
    there.nothing_was_repeated(sent, told)

    # People come in as ever.
    paul = confirmed(restored, PAUL)
    paul.choose()
    assert paul.page.url.endswith("/account/1/done")
    assert logs_in(restored, PAUL)
    assert not there.ana.invite(there.room, NEW).ok  # her client's token has ended
    there.ana.id_token = there.ana.sign_in()
    assert there.ana.invite(there.room, NEW).ok
    restored.relay.wait_for_mail(NEW)
    tried = 2 * (sum(sent.values()) + told)
    record_fault(
        "restore: a backup is loaded after its work went out, twice",
        tried=tried,
        survived=tried,
        doubled=sum(number - 1 for number in restored.message_ids().values()),
        seconds=noticed,
        said="/readyz: held",
    )


class People:
    """Ana invites Gil, Bea, Léa and Nina by mail; Camille and Zoé sign up."""

    def __init__(self, restored: Restored) -> None:
        self.restored = restored
        self.ana = User(restored.agents, restored.id_server)
        self.gil, self.bea = (User(restored.guests, restored.id_server) for _ in range(2))
        self.room, self.camille = "", None

    def prepare(self) -> None:
        """Gil and Bea are invited, and Camille has typed her code."""
        has_address(self.ana, ANA)
        self.wait_until_known(self.ana, ANA)
        made = {"initial_state": [OPEN]}
        create = lambda: self.ana.try_matrix("POST", "/createRoom", **made).json()  # noqa: E731
        self.room = wait_for(lambda: create().get("room_id"), what="Ana may make a room", pause=0.3)
        for address in (GIL, BEA):
            assert self.ana.invite(self.room, address).ok
        self.camille = confirmed(self.restored, CAMILLE)
        for address in (GIL, BEA):
            self.restored.relay.wait_for_mail(address)

    def let_work_wait(self) -> None:
        """A delivery, the mail of an invitation, and a code; an account is about to be made."""
        has_address(self.gil, GIL)
        assert self.ana.invite(self.room, LEA).ok
        Person(self.restored.url).ask(ZOE)
        self.wait_until_known(self.gil, GIL)

    def let_work_go_out(self) -> None:
        """And Bea, whose invitation waited for nobody yet, joins as well."""
        self.camille.choose()
        assert self.camille.page.url.endswith("/account/1/done")
        has_address(self.bea, BEA)
        for person in (self.gil, self.bea):
            person.wait_for_invite(self.room)
            person.join(self.room)
        for address in (LEA, ZOE):
            self.restored.relay.wait_for_mail(address)

    def invite_one_more(self) -> str:
        """The backup knows nothing of Nina; returns the token of her invitation."""
        before = tokens(self.ana, self.room)
        assert self.ana.invite(self.room, NINA).ok
        self.restored.relay.wait_for_mail(NINA)
        (token,) = tokens(self.ana, self.room) - before
        return token

    def olga_brings_it_back(self) -> None:
        self.restored.guichet("restore", "begin", "--reason", "the drill")
        assert self.restored.is_held()
        self.wait_until_known(self.bea, BEA)  # her homeserver has reported everything again
        waiting = {each["kind"] for each in self.restored.guichet("restore", "plan")["jobs"]}
        assert "onbind" in waiting
        assert "mail" not in waiting
        self.restored.guichet("restore", "resume")
        self.restored.wait_until_done()
        assert not self.restored.is_held()

    def nothing_was_repeated(self, sent, told) -> None:
        assert self.restored.mails() == sent
        assert set(self.restored.message_ids().values()) == {1}
        assert self.restored.onbinds() == told
        assert self.gil.membership(self.room) == self.bea.membership(self.room) == "join"
        assert logs_in(self.restored, CAMILLE)

    def wait_until_known(self, person: User, address: str) -> None:
        wait_for(lambda: self.restored.knows(person.user_id, address), what=f"{address} is known")
