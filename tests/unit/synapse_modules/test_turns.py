"""Questions to Guichet take turns: 40 people who ask at once are neither 40 requests nor a queue without end."""

import asyncio

import pytest

from domain_rules.synapse_modules.clients import REQUEST_SECONDS
from domain_rules.synapse_modules.time_limits import ASKING_SECONDS
from domain_rules.synapse_modules.turns import (
    AT_ONCE,
    MAX_FAILURES,
    MAX_WAITING,
    OPEN_MS,
    NoTurn,
    Turns,
)

SECONDS = 1000  # milliseconds
LIMIT = REQUEST_SECONDS * SECONDS


class Clock:
    """Goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.ms = 0
        self.turns = Turns(lambda: self.ms, self.sleep)

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0)

    async def pass_by(self, ms: int) -> None:
        """Everybody looks whether it is their turn meanwhile."""
        self.ms += ms
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def ask(clock: Clock, answered: asyncio.Event | None, done: list[str]) -> None:
    """One person: `answered` never comes if Guichet is frozen."""
    ends = clock.ms + LIMIT
    try:
        await clock.turns.take(ends)
    except NoTurn as refused:
        done.append(f"refused at {clock.ms}: {refused}")
        return
    try:
        done.append("asked")
        while not (answered and answered.is_set()):
            if clock.ms >= ends:
                clock.turns.record_silence()
                return
            await asyncio.sleep(0)
        clock.turns.record_answer()
    finally:
        clock.turns.give_back()


def test_40_at_once_are_all_answered_by_a_guichet_that_is_well(clock):
    async def story() -> None:
        done, answered = [], asyncio.Event()
        people = [asyncio.create_task(ask(clock, answered, done)) for _ in range(40)]
        await clock.pass_by(100)
        assert done == ["asked"] * AT_ONCE
        answered.set()
        await asyncio.gather(*people)
        assert done == ["asked"] * 40

    asyncio.run(story())


def test_with_a_frozen_guichet_nobody_waits_longer_than_a_request_may_last(clock):
    async def story() -> None:
        done: list[str] = []
        people = [asyncio.create_task(ask(clock, None, done)) for _ in range(40)]
        await clock.pass_by(100)
        assert len(done) == AT_ONCE
        await clock.pass_by(LIMIT)
        await asyncio.gather(*people)
        refused = [each for each in done if each.startswith("refused")]
        assert len(refused) + done.count("asked") == 40
        assert done.count("asked") <= 2 * AT_ONCE

    asyncio.run(story())
    assert REQUEST_SECONDS < ASKING_SECONDS


def test_more_than_can_wait_are_refused_at_once(clock):
    async def story() -> None:
        done: list[str] = []
        people = [
            asyncio.create_task(ask(clock, None, done)) for _ in range(AT_ONCE + MAX_WAITING + 7)
        ]
        await clock.pass_by(0)
        refused = [each for each in done if each.startswith("refused at 0")]
        assert len(refused) == 7
        for each in people:
            each.cancel()
        await asyncio.gather(*people, return_exceptions=True)
        await clock.turns.take(clock.ms + LIMIT)  # who went away left no place taken

    asyncio.run(story())


def test_after_five_silences_nobody_asks_until_one_has_tried(clock):
    async def story() -> None:
        for _ in range(MAX_FAILURES):
            await clock.turns.take(clock.ms + LIMIT)
            clock.turns.record_silence()
            clock.turns.give_back()
        with pytest.raises(NoTurn):
            await clock.turns.take(clock.ms + LIMIT)
        clock.ms += OPEN_MS
        await clock.turns.take(clock.ms + LIMIT)
        with pytest.raises(NoTurn):
            await clock.turns.take(clock.ms + LIMIT)
        clock.turns.record_answer()
        clock.turns.give_back()
        await clock.turns.take(clock.ms + LIMIT)

    asyncio.run(story())


def test_the_poll_for_rules_tells_that_it_is_back(clock):
    async def story() -> None:
        for _ in range(MAX_FAILURES):
            clock.turns.record_silence()
        with pytest.raises(NoTurn):
            await clock.turns.take(clock.ms + LIMIT)
        clock.turns.record_answer()
        await clock.turns.take(clock.ms + LIMIT)

    asyncio.run(story())
