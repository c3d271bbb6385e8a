"""Whatever happens to an invitation, in whatever order: no impossible move, and its history tells how it came there."""

import itertools

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from identity.binding import service as binding
from identity.invitations import (
    models as third_party_invitations,
    schedule,
    service as invitations,
    states as invitation_states,
)
from identity.invitations.history import Happened
from identity.invitations.inviters import MAX_UNKNOWN
from identity.invitations.models import Delivery, State
from identity.invitations.states import last_open_state
from identity.threepids import associations
from tests.worlds.inviting import Inviting
from tests.worlds.sign_ups import *

OPEN = {"queued", "sent", "refused"}
ENDED = {"declined", "revoked", "expired"}
AFTER_ACCEPTING = {"delivered", "joined", "declined", "revoked"}
# Written down once more, in the words of the people it is for.
MAY_FOLLOW = {
    "queued": OPEN | ENDED | {"accepted"},
    "sent": OPEN - {"queued"} | ENDED | {"accepted"},
    "refused": OPEN | ENDED | {"accepted"},
    "accepted": OPEN | AFTER_ACCEPTING,
    "delivered": {"joined", "declined"},
    "joined": set(),
    "declined": OPEN | {"accepted"},  # who has come meanwhile gets what they take back
    "revoked": set(),
    "expired": OPEN,
}
PLAIN = {"sent", "refused", "accepted", "delivered", "joined", "declined", "revoked", "expired"}
numbers = itertools.count()


def told(history: list[str]) -> str:
    """The state that somebody would work out who reads nothing but the history."""
    state, mail = "queued", "queued"
    for happened in history:
        if happened in {"sent", "refused"}:
            mail = happened
        elif happened == "mailed" and mail == "refused":
            mail = "queued"
        if happened in PLAIN:
            state = happened
        elif happened == "unknown_inviter":
            state = "declined"
        elif happened in {"taken_back", "waits_again"} or state in OPEN | {"expired"}:
            state = mail if happened != "created" else "queued"
    return state


class Life(RuleBasedStateMachine):
    """One inviter, one address, one room, and time."""

    def __init__(self, zoe: Inviting, reached: set[str]) -> None:
        super().__init__()
        self.zoe, self.reached = zoe, reached
        number = next(numbers)
        self.address = f"guest{number}@association.example"
        self.sender = f"@zoe{number}:education.example"
        self.invitee = f"@guest{number}:guests.example"
        self.row = self.zoe.store(self.address, sender=self.sender)
        self.rows = [self.row]
        self.last = "queued"
        self.unknown = 0

    def act(self, function, *args, **facts):
        self.zoe.clock.advance(seconds=1)
        return self.zoe.act(function, self.row, *args, **facts)

    def note(self, state, happened):
        return self.act(invitation_states.record_event, state, happened, by="tests")

    @rule()
    def invite_again(self):
        self.zoe.clock.advance(seconds=1)
        row = self.zoe.store(self.address.capitalize(), sender=self.sender)
        is_other = row.id != self.row.id
        assert is_other == (self.last not in OPEN | {"accepted"})
        if is_other:
            self.rows.append(row)
            self.row, self.last = row, self.zoe.where(row)

    @rule(hours=st.sampled_from([1, 25, 73, 24 * 7, 24 * 30]))
    def time_passes(self, hours):
        self.zoe.clock.advance(hours=hours)

    @rule()
    def the_relay_takes_it(self):
        self.zoe.clock.advance(seconds=1)
        self.zoe.relay_takes_all()

    @rule()
    def the_relay_refuses_it(self):
        moved = self.note(State.REFUSED, Happened.REFUSED)
        assert moved == (self.zoe.read(self.row).state == "refused")

    @rule()
    def send_again(self):
        if self.act(invitations.resend, by=self.sender):
            assert self.last in OPEN

    @rule(days=st.integers(1, 60))
    def extend(self, days):
        if self.act(invitations.extend, by=self.sender, days=days):
            assert self.last in OPEN | {"accepted", "expired"}
            assert self.zoe.where(self.row) != "expired"

    @rule()
    def revoke(self):
        done = self.act(invitations.revoke, by=self.sender)
        assert done == (self.last in OPEN | {"accepted"})

    @rule(unknown=st.booleans())
    def decline(self, unknown):
        unknown = unknown and self.unknown < MAX_UNKNOWN - 1  # else the inviter has to pause
        done = self.act(invitations.decline, unknown_inviter=unknown, by="the invited person")
        self.unknown += done and unknown

    @rule()
    def take_back(self):
        if self.act(invitations.undo_decline):
            assert self.last == "declined"

    @rule()
    def come(self):
        self.zoe.clock.advance(seconds=1)
        with self.zoe.database.transaction() as session:
            binding.associate(session, self.zoe.clock(), address=self.address, user_id=self.invitee)

    @precondition(lambda self: self.last == "accepted")
    @rule()
    def go_before_the_homeserver_is_told(self):
        self.zoe.clock.advance(seconds=1)
        with self.zoe.database.transaction() as session:
            associations.unbind(session, address=self.address, user_id=self.invitee)
            row = self.zoe.read_in(session, self.row)
            third_party_invitations.move_delivery(
                session, row, source=(Delivery.DUE,), to=Delivery.WAITING
            )
            to = last_open_state(session, row)
            invitation_states.record_event(
                session, self.zoe.clock(), row, to, Happened.WAITS_AGAIN, by="worker"
            )

    @rule()
    def the_homeserver_is_told(self):
        if self.note(State.DELIVERED, Happened.DELIVERED):
            assert self.last == "accepted"

    @rule()
    def join(self):
        if self.note(State.JOINED, Happened.JOINED):
            assert self.last in {"accepted", "delivered"}

    @rule()
    def leave(self):
        if self.act(invitations.decline, unknown_inviter=False, by=self.invitee):
            assert self.last in OPEN | {"accepted", "delivered"}

    @rule()
    def the_timetable_comes_by(self):
        zoe, calendar = self.zoe, schedule
        zoe.clock.advance(seconds=1)
        for due, act in (
            (calendar.find_expired, calendar.expire),
            (calendar.find_unanswered, calendar.remind),
        ):
            with zoe.database.transaction() as session:
                for subject in due(session, zoe.clock()):
                    act(session, zoe.clock(), subject)

    @invariant()
    def no_move_is_impossible(self):
        now = self.zoe.where(self.row)
        assert now == self.last or now in MAY_FOLLOW[self.last] | {"expired"} & reachable(self.last)
        self.last = now
        self.reached.add(now)

    @invariant()
    def the_history_agrees(self):
        for row in self.rows:
            assert told(self.zoe.history(row)) == self.zoe.read(row).state

    @invariant()
    def what_has_ended_says_when(self):
        row = self.zoe.read(self.row)
        assert (row.ended_at is not None) == (row.state in ENDED)
        assert row.delivery == Delivery.WAITING or row.state not in OPEN | ENDED

    @invariant()
    def one_is_live_and_allows_to_register(self):
        states = [self.zoe.where(row) for row in self.rows]
        assert sum(state in OPEN | {"accepted"} for state in states) <= 1
        assert self.zoe.may_register(self.address) == any(state in OPEN for state in states)


def reachable(state: str) -> set[str]:
    """Time runs out only for what waits; what is accepted may come back to waiting and find its time over."""
    return {"expired"} if state in OPEN | {"accepted", "declined"} else set()


@pytest.fixture
def database_url(sqlite_url) -> str:
    """Thousands of transactions: what each of them asks of a database is tested on both elsewhere."""
    return sqlite_url


@pytest.fixture
def zoe(database, rules, clock) -> Inviting:
    made = Inviting(database, rules, clock)
    made.open_homeservers()
    return made


TOURS = (
    ("the_relay_takes_it", "come", "the_homeserver_is_told", "join"),
    ("the_relay_refuses_it", "send_again", "decline"),
    ("revoke",),
    ("a_month_passes", "the_timetable_comes_by"),
)


@pytest.mark.slow
def test_every_state_is_reached_by_what_people_do(zoe):
    """The walk below is drawn, and draws otherwise beside other modules: what it comes by is no statement."""
    reached: set[str] = set()
    for steps in TOURS:
        life = Life(zoe, reached)
        life.reached.add(life.last)
        for step in steps:
            match step:
                case "decline":
                    life.decline(unknown=False)
                case "a_month_passes":
                    life.time_passes(24 * 31)
                case _:
                    getattr(life, step)()
            life.no_move_is_impossible()
            life.the_history_agrees()
            life.what_has_ended_says_when()
    assert reached == set(MAY_FOLLOW)


@pytest.mark.slow
def test_no_order_of_things_leads_where_it_must_not(zoe):
    """Each step is judged by the invariants of `Life`, which fail the walk."""
    reached: set[str] = set()
    run_state_machine_as_test(
        lambda: Life(zoe, reached),
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert reached
    assert reached <= set(MAY_FOLLOW)
