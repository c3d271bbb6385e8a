"""Different things are counted once a day, by all nodes together or, while Redis is away, by each alone."""

from datetime import UTC, datetime, timedelta

import pytest

from identity.core.distinct_counts import MAX_HERE, LocalDistinctCounter, RedisDistinctCounter
from identity.core.rate_limits import LOOKUPS, RateLimits
from identity.problems import TooManyRequests
from identity.settings import Settings

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ANA, ZOE = "@ana:agents.example", "@zoe:agents.example"


def things(count, first=0):
    return [f"hash {number}" for number in range(first, first + count)]


def in_redis(redis_url):
    return RedisDistinctCounter(redis_url, timeout=60)


@pytest.fixture(params=["here", pytest.param("redis", marks=pytest.mark.redis)])
def distinct(request):
    if request.param == "here":
        return LocalDistinctCounter()
    return in_redis(request.getfixturevalue("redis_url"))


def test_what_was_asked_before_counts_once_a_day_and_for_one_person(distinct):
    assert distinct.add(NOON, ANA, things(100)) == pytest.approx(100, rel=0.03)
    before = distinct.add(NOON, ANA, things(100))
    assert before == distinct.add(NOON, ANA, things(100)) == pytest.approx(100, rel=0.03)
    assert distinct.add(NOON, ANA, things(100, first=50)) == pytest.approx(150, rel=0.03)
    assert distinct.add(NOON, ZOE, ["\ud800", "é"]) == 2
    assert distinct.add(NOON + timedelta(hours=12), ANA, ["another day"]) == 1


@pytest.mark.redis
def test_two_nodes_count_together_and_forget(redis_url):
    one, other = in_redis(redis_url), in_redis(redis_url)
    one.add(NOON, ANA, things(100))
    assert other.add(NOON, ANA, things(100, first=100)) == pytest.approx(200, rel=0.03)
    [key] = one._redis.keys("guichet:distinct:*")
    assert 0 < one._redis.ttl(key) <= timedelta(days=2).total_seconds()
    assert one._redis.memory_usage(key) < 20_000


def test_one_process_forgets_who_came_first_before_it_remembers_too_much():
    here = LocalDistinctCounter()
    here.add(NOON, ANA, things(10))
    assert here.add(NOON, ZOE, things(MAX_HERE)) == MAX_HERE
    assert here.add(NOON, ANA, things(1)) == 1


def settings(tmp_path, redis_url, **more):
    keys = {"secret_keys": "a-key-for-the-tests-that-is-long-enough"}
    return Settings(_env_file=None, data_dir=tmp_path, redis_url=redis_url, **keys, **more)


@pytest.mark.redis
def test_nodes_share_a_budget_of_lookups_and_each_has_its_own_while_redis_is_away(
    tmp_path, redis_url, redis_server
):
    # Longer than people would wait: a busy machine is not away.
    nodes = [RateLimits(settings(tmp_path, redis_url), redis_timeout=60) for _ in range(2)]
    for first in range(0, LOOKUPS + 2000, 1000):
        try:
            nodes[first // 1000 % 2].spend_lookup(NOON, ANA, things(1000, first))
        except TooManyRequests:
            break
    assert first == pytest.approx(LOOKUPS, rel=0.06)
    for node in nodes:
        with pytest.raises(TooManyRequests) as refusal:
            node.spend_lookup(NOON, ANA, things(1000))
        assert refusal.value.retry_after == 12 * 3600
    redis_server.kill()
    nodes[0].spend_lookup(NOON, ANA, things(1000))
    assert nodes[0].degraded
    off = RateLimits(settings(tmp_path, redis_url, limits="off"))
    off.spend_lookup(NOON, ANA, things(LOOKUPS + 1))
